using System.CommandLine;
using System.Globalization;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Commands;

/// <summary><c>orders</c>, <c>todos</c>, <c>filings</c>, <c>webhooks</c>.</summary>
internal static class OrderCommands
{
    public static Command Orders()
    {
        var status = new Option<string?>("--status") { Description = "Only those of a fulfilment status, such as waiting_on_activation." };
        var take = Take();
        var list = new Command("list", "List orders, newest first.") { status, take, CommandLine.Json };
        list.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var orders = await services.GetRequiredService<OrderReader>().ListAsync(parsed.GetValue(status), 0, parsed.GetValue(take), ct).ConfigureAwait(false);
            Output.List(parsed.GetValue(CommandLine.Json), orders,
                ("ORDER", static o => o.OrderNumber), ("SERVICE", static o => o.ServiceSlug), ("PAYMENT", static o => o.Status), ("FULFILMENT", static o => o.FulfillmentStatus),
                ("SALES ORDER", static o => o.SalesOrder), ("AMOUNT", static o => $"{Output.Money(o.AmountCents)} {o.Currency.ToUpperInvariant()}"), ("PLACED", static o => Output.Time(o.CreatedAt)), ("WHY IT WAITS", static o => o.HoldReason));
            return CommandLine.Done;
        }));

        var number = new Argument<string>("order") { Description = "Order number, such as CO-1A2B3C4D." };
        var show = new Command("show", "Show an order with its history.") { number, CommandLine.Json };
        show.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            if (await services.GetRequiredService<OrderReader>().FindAsync(parsed.GetValue(number)!, ct).ConfigureAwait(false) is not { } order)
            {
                await Console.Error.WriteLineAsync($"pw: there is no order {parsed.GetValue(number)}").ConfigureAwait(false);
                return CommandLine.Failed;
            }

            if (parsed.GetValue(CommandLine.Json))
            {
                Output.Json(order);
                return CommandLine.Done;
            }

            Console.Out.WriteLine($"{order.OrderNumber} {order.ServiceSlug}: payment {order.Status}, fulfilment {order.FulfillmentStatus}{(order.HoldReason is null ? "" : $" ({order.HoldReason})")}");
            Console.Out.WriteLine($"Sales Order {order.SalesOrder ?? "none"}, customer {order.CustomerName}, {Output.Money(order.AmountCents)} {order.Currency.ToUpperInvariant()}");
            if (order.Filing is { } filing) Console.Out.WriteLine($"confirmation {filing.ConfirmationNumber}, evidence {filing.Evidence}");
            Output.List(false, order.WorkflowInstances, ("INSTANCE", static i => i.Id), ("WORKFLOW", static i => i.DefinitionId), ("VERSION", static i => i.Version.ToString(CultureInfo.InvariantCulture)), ("STATUS", static i => i.Status));
            Output.List(false, order.Timeline, ("AT", static t => Output.Time(t.At)), ("EVENT", static t => t.Event), ("WHAT", static t => t.Message));
            return CommandLine.Done;
        }));
        return new Command("orders", "Orders.") { list, show };
    }

    public static Command ToDos()
    {
        var all = new Option<bool>("--all") { Description = "Closed ones too." };
        var take = Take();
        var list = new Command("list", "List what waits for a person, newest first.") { all, take, CommandLine.Json };
        list.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            Output.List(parsed.GetValue(CommandLine.Json), await services.GetRequiredService<AdminToDos>().ListAsync(parsed.GetValue(all), parsed.GetValue(take), ct).ConfigureAwait(false),
                ("SINCE", static t => Output.Time(t.CreatedAt)), ("ORDER", static t => t.Order), ("SERVICE", static t => t.Slug), ("WHY", static t => t.Marker), ("STATUS", static t => t.Status),
                ("IN ERPNEXT", static t => t.ErpnextName), ("WHAT TO DO", static t => t.Instructions));
            return CommandLine.Done;
        }));
        return new Command("todos", "What waits for a person.") { list };
    }

    public static Command Filings()
    {
        var number = new Argument<string?>("order") { Description = "Order number; without it all filings are verified.", Arity = ArgumentArity.ZeroOrOne };
        var verify = new Command("verify", "Tell whether a byte of the evidence changed or a link of its chain is missing.") { number, CommandLine.Json };
        verify.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var order = parsed.GetValue(number);
            var report = await services.GetRequiredService<EvidenceVerifier>().VerifyAsync(order, ct).ConfigureAwait(false);
            await services.GetRequiredService<AuditLog>().WriteAsync("command-line", "filings-verify", order ?? "all", new() { ["good"] = report.IsGood, ["faults"] = report.Faults.Count }, ct).ConfigureAwait(false);
            // Nothing filed yet is nothing wrong, unless an order was asked for.
            var good = report.IsGood || (order is null && report.Faults.Count == 0);
            if (parsed.GetValue(CommandLine.Json)) Output.Json(new { good, report.Filings, report.Files, faults = report.Faults.Select(static f => new { kind = f.Kind.ToString(), f.OrderNumber, f.Name, f.Message }) });
            else
            {
                foreach (var fault in report.Faults) Console.Out.WriteLine(fault);
                if (order is not null && report.Filings == 0) Console.Out.WriteLine($"{order} has no filing");
                Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{report.Filings} filing(s), {report.Files} file(s): {(good ? "as recorded" : $"{report.Faults.Count} fault(s)")}"));
            }

            return good ? CommandLine.Done : CommandLine.Failed;
        }));
        return new Command("filings", "Filed forms and their evidence.") { verify };
    }

    public static Command Webhooks()
    {
        var status = new Option<string?>("--status") { Description = "Only those of a status: applied, ignored, duplicate, waiting, suspicious, rejected or gave_up." };
        var order = new Option<string?>("--order") { Description = "Only those of an order." };
        var take = Take();
        var list = new Command("list", "List what came to the webhooks, newest first.") { status, order, take, CommandLine.Json };
        list.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var lines = await services.GetRequiredService<WebhookReplay>().ListAsync(parsed.GetValue(status), parsed.GetValue(order), parsed.GetValue(take), ct).ConfigureAwait(false);
            Output.List(parsed.GetValue(CommandLine.Json), lines,
                ("ID", static l => l.Id.ToString(CultureInfo.InvariantCulture)), ("AT", static l => Output.Time(l.ReceivedAt)), ("FROM", static l => l.Provider), ("EVENT", static l => l.EventId),
                ("TYPE", static l => l.EventType), ("STATUS", static l => l.Status), ("ORDER", static l => l.OrderNumber), ("WHY", static l => l.Reason));
            return CommandLine.Done;
        }));

        var id = new Argument<long>("id") { Description = "Number of the line, from pw webhooks list." };
        var server = new Option<string>("--server") { Description = "Address of a running server.", DefaultValueFactory = static _ => "http://127.0.0.1:8080", HelpName = "URL" };
        var replay = new Command("replay", "Deliver an event again that came to nothing.") { id, server };
        replay.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            if (!Uri.TryCreate(parsed.GetValue(server), UriKind.Absolute, out var url)) throw new WrongUseException("--server: expected an address such as http://127.0.0.1:8080");
            switch (await services.GetRequiredService<WebhookReplay>().ReplayAsync(parsed.GetValue(id), url, ct).ConfigureAwait(false))
            {
                case ReplayResult.Delivered delivered:
                    await services.GetRequiredService<AuditLog>().WriteAsync("command-line", "webhook-replay", delivered.EventId, null, ct).ConfigureAwait(false);
                    Console.Out.WriteLine($"delivered {delivered.EventId}, answered {delivered.Status.ToString(CultureInfo.InvariantCulture)}");
                    return CommandLine.Done;
                case ReplayResult.Refused refused:
                    await Console.Error.WriteLineAsync("pw: " + refused.Why).ConfigureAwait(false);
                    return CommandLine.Failed;
                default:
                    await Console.Error.WriteLineAsync($"pw: there is no line {parsed.GetValue(id).ToString(CultureInfo.InvariantCulture)} in the webhook inbox").ConfigureAwait(false);
                    return CommandLine.Failed;
            }
        }));
        return new Command("webhooks", "What came to the webhooks.") { list, replay };
    }

    public static Option<int> Take()
    {
        var take = new Option<int>("--take") { Description = "At most so many, 1 to 1000.", DefaultValueFactory = static _ => 50 };
        take.Validators.Add(static r =>
        {
            // The text itself: the value of one that is no number can't be asked for.
            if (r.Tokens is [var token] && (!int.TryParse(token.Value, CultureInfo.InvariantCulture, out var number) || number is < 1 or > 1000)) r.AddError("--take: expected a whole number from 1 to 1000");
        });
        return take;
    }
}
