using System.CommandLine;
using System.Globalization;
using PwWorkflows.Activities.Effects;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Endpoints;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Commands;

/// <summary><c>instances</c> and <c>effects</c>: look into what is stuck, and let it go on.</summary>
internal static class InstanceCommands
{
    public static Command Instances()
    {
        var status = new Option<string?>("--status") { Description = "Only those in a state, such as faulted." };
        status.AcceptOnlyFromAmong(WorkflowEndpoints.Statuses);
        var key = new Option<string?>("--correlation") { Description = "Only those of a business key, such as an order number.", HelpName = "KEY" };
        var take = OrderCommands.Take();
        var list = new Command("list", "List workflow instances, newest first.") { status, key, take, CommandLine.Json };
        list.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var (items, _) = await services.GetRequiredService<IWorkflowAdmin>().ListInstancesAsync(
                new WorkflowInstanceQuery { Status = parsed.GetValue(status), CorrelationId = parsed.GetValue(key), Take = parsed.GetValue(take) }, ct).ConfigureAwait(false);
            Output.List(parsed.GetValue(CommandLine.Json), items,
                ("INSTANCE", static i => i.Id), ("WORKFLOW", static i => i.DefinitionId), ("VERSION", static i => i.Version.ToString(CultureInfo.InvariantCulture)), ("STATUS", static i => i.Status),
                ("KEY", static i => i.CorrelationId), ("INCIDENTS", static i => i.Incidents.ToString(CultureInfo.InvariantCulture)), ("CREATED", static i => Output.Time(i.CreatedAt)), ("UPDATED", static i => Output.Time(i.UpdatedAt)));
            return CommandLine.Done;
        }));

        var id = new Argument<string>("id") { Description = "Id of the instance, from pw instances list." };
        var journal = new Command("journal", "Show what an instance did, step by step.") { id, CommandLine.Json };
        journal.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            if (await services.GetRequiredService<IWorkflowAdmin>().GetJournalAsync(parsed.GetValue(id)!, 0, 1000, ct).ConfigureAwait(false) is not { } entries) return await MissingAsync(parsed.GetValue(id)!).ConfigureAwait(false);
            Output.List(parsed.GetValue(CommandLine.Json), entries,
                ("AT", static e => Output.Time(e.At)), ("STEP", static e => e.ActivityId), ("TYPE", static e => e.ActivityType), ("EVENT", static e => e.Event), ("WHAT", static e => e.Message));
            return CommandLine.Done;
        }));

        return new Command("instances", "Workflow instances.")
        {
            list,
            journal,
            Order("retry", "Let a faulted instance go on from its failed step, or a parked one from where it was.", "only a faulted or parked instance can be retried", id, static (w, i, ct) => w.RetryAsync(i, ct)),
            Order("cancel", "End an instance.", "the instance has ended", id, static (w, i, ct) => w.CancelAsync(i, ct)),
        };
    }

    public static Command Effects()
    {
        var status = new Option<string?>("--status") { Description = "Only those of a status: started, done or uncertain." };
        status.AcceptOnlyFromAmong(EffectEndpoints.Statuses);
        var take = OrderCommands.Take();
        var list = new Command("list", "List what was changed outside, newest first.") { status, take, CommandLine.Json };
        list.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            Output.List(parsed.GetValue(CommandLine.Json), await services.GetRequiredService<EffectRecords>().ListAsync(parsed.GetValue(status), parsed.GetValue(take), ct).ConfigureAwait(false),
                ("EFFECT", static e => e.Key), ("KIND", static e => e.Kind), ("STATUS", static e => e.Status), ("TRIES", static e => e.Attempts.ToString(CultureInfo.InvariantCulture)),
                ("STARTED", static e => Output.Time(e.StartedAt)), ("RESULT", static e => e.Result), ("NOTE", static e => e.Note));
            return CommandLine.Done;
        }));

        var key = new Argument<string>("effect") { Description = "Key of the effect, from pw effects list --status uncertain." };
        var happened = new Option<string?>("--happened") { Description = "It happened: what the outside shows of it, as a JSON object.", HelpName = "JSON" };
        var not = new Option<bool>("--did-not-happen") { Description = "It did not happen: it may be tried again." };
        var reason = new Option<string>("--reason") { Description = "How you know; kept in the audit log.", Required = true };
        var settle = new Command("settle", "Tell whether an uncertain effect happened, after a look at the other system. Then retry the instance that stopped on it.") { key, happened, not, reason };
        settle.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var result = parsed.GetValue(happened);
            if (parsed.GetValue(not) == (result is not null)) throw new WrongUseException("expected either --happened JSON or --did-not-happen");
            var settled = await services.GetRequiredService<EffectRecords>().SettleAsync(
                parsed.GetValue(key)!, result, ct,
                (connection, transaction, token) => services.GetRequiredService<AuditLog>().AppendAsync(
                    connection, transaction, "command-line", "effect-settled", parsed.GetValue(key)!, new() { ["happened"] = result is not null, ["reason"] = parsed.GetValue(reason) }, token)).ConfigureAwait(false);
            if (settled is { } why)
            {
                await Console.Error.WriteLineAsync("pw: " + why).ConfigureAwait(false);
                return CommandLine.Failed;
            }

            Console.Out.WriteLine("settled");
            return CommandLine.Done;
        }));
        return new Command("effects", "The ledger of what was changed outside.") { list, settle };
    }

    private static Command Order(string name, string description, string wrongState, Argument<string> id, Func<IWorkflowAdmin, string, CancellationToken, Task<InstanceCommandResult>> order)
    {
        var command = new Command(name, description) { id };
        command.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            switch (await order(services.GetRequiredService<IWorkflowAdmin>(), parsed.GetValue(id)!, ct).ConfigureAwait(false))
            {
                case InstanceCommandResult.Accepted:
                    await services.GetRequiredService<AuditLog>().WriteAsync("command-line", "instance-" + name, parsed.GetValue(id)!, null, ct).ConfigureAwait(false);
                    Console.Out.WriteLine("accepted; a running server carries it out");
                    return CommandLine.Done;
                case InstanceCommandResult.WrongState:
                    await Console.Error.WriteLineAsync("pw: " + wrongState).ConfigureAwait(false);
                    return CommandLine.Failed;
                default:
                    return await MissingAsync(parsed.GetValue(id)!).ConfigureAwait(false);
            }
        }));
        return command;
    }

    private static async Task<int> MissingAsync(string id)
    {
        await Console.Error.WriteLineAsync($"pw: there is no workflow instance {id}").ConfigureAwait(false);
        return CommandLine.Failed;
    }
}
