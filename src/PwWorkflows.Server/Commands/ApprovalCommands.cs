using System.CommandLine;
using System.Globalization;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Commands;

/// <summary><c>approvals</c>.</summary>
internal static class ApprovalCommands
{
    public static Command Approvals()
    {
        var status = new Option<string>("--status") { Description = "waiting (default), approved, rejected, expired, withdrawn or all.", DefaultValueFactory = static _ => ApprovalStatuses.Waiting };
        status.AcceptOnlyFromAmong([.. ApprovalStatuses.All, "all"]);
        var order = new Option<string?>("--order") { Description = "Only those of an order." };
        var take = OrderCommands.Take();
        var list = new Command("list", "List requests for approval: what has the least time left first.") { status, order, take, CommandLine.Json };
        list.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var query = new ApprovalQuery(parsed.GetValue(status) is "all" ? null : parsed.GetValue(status), OrderNumber: parsed.GetValue(order));
            var now = services.GetRequiredService<TimeProvider>().GetUtcNow();
            Output.List(parsed.GetValue(CommandLine.Json), await services.GetRequiredService<ApprovalStore>().ListAsync(query, 0, parsed.GetValue(take), ct).ConfigureAwait(false),
                ("ID", static a => a.Id), ("STATUS", static a => a.Status), ("LEFT", a => a.IsOpenAt(now) ? ApprovalPolicy.Duration(a.ExpiresAt - now) : ""), ("ORDER", static a => a.OrderNumber),
                ("AMOUNT", static a => a.Amount()), ("GIVEN", static a => string.Create(CultureInfo.InvariantCulture, $"{a.Decisions.Count}/{a.People}")), ("WHAT", static a => a.Title),
                ("HOW IT STANDS", static a => a.Standing()));
            return CommandLine.Done;
        }));

        var id = Id();
        var show = new Command("show", "Show a request: what will happen, and who may decide.") { id, CommandLine.Json };
        show.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            if (await services.GetRequiredService<ApprovalStore>().FindAsync(parsed.GetValue(id)!, ct).ConfigureAwait(false) is not { } approval) return await MissingAsync(parsed.GetValue(id)!).ConfigureAwait(false);
            if (parsed.GetValue(CommandLine.Json))
            {
                Output.Json(approval);
                return CommandLine.Done;
            }

            Output.List(false, (List<(string Name, string Value)>)
                [
                    ("what", approval.Title), ("stands", approval.Standing()), .. approval.AmountCents is null ? [] : ((string, string)[])[("amount", approval.Amount())],
                    .. approval.OrderNumber is null ? [] : ((string, string)[])[("order", approval.OrderNumber)],
                    .. approval.Subject is null ? [] : ((string, string)[])[("holds for", approval.Subject)],
                    ("asked", $"{Output.Time(approval.RequestedAt)} by {approval.RequestedBy ?? "the system"}, workflow {approval.DefinitionId}, instance {approval.InstanceId}"),
                    ("until", Output.Time(approval.ExpiresAt)), ("who may", approval.Approvers.Count == 0 ? "every administrator" : string.Join(", ", approval.Approvers)),
                    ("people", approval.People == 1 ? "one" : "two different ones"), .. approval.Details.Select(static d => (d.Name, d.Value)),
                    ("if approved", approval.IfApproved), ("if rejected", approval.IfRejected),
                ], (approval.Id, static l => l.Name), ("", static l => l.Value));
            return CommandLine.Done;
        }));

        return new Command("approvals", "What waits for an administrator's word.") { list, show, Decide("approve", true), Decide("reject", false) };
    }

    private static Command Decide(string name, bool approve)
    {
        var id = Id();
        var user = new Option<string>("--user") { Description = "Your sign-in name: the decision is recorded as yours.", Required = true };
        var file = new Option<string?>("--password-file") { Description = "File that holds your password; without it the password is read from standard input.", HelpName = "PATH" };
        var note = new Option<string?>("--note") { Description = approve ? "What you want to say." : "Why, for whoever asked.", Required = !approve };
        note.Validators.Add(static r =>
        {
            if (r.Tokens is [var token] && (token.Value.Trim().Length == 0 || token.Value.Length > ApprovalDesk.LongestNote)) r.AddError(string.Create(CultureInfo.InvariantCulture, $"--note: expected 1 to {ApprovalDesk.LongestNote} characters"));
        });
        var command = new Command(name, approve ? "Approve a request." : "Reject a request.") { id, user, file, note, CommandLine.Json };
        command.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            // Whoever may run this command reaches the database anyway; but the record must name a person, and two people must be two.
            var password = await ServeCommands.ReadPasswordAsync(parsed.GetValue(file), ct).ConfigureAwait(false);
            if ((await services.GetRequiredService<SignIn>().TryAsync(parsed.GetValue(user)!, password, "command-line", ct).ConfigureAwait(false)).User is not { } person)
                return await FailAsync("the name or the password is wrong").ConfigureAwait(false);
            var result = await services.GetRequiredService<ApprovalDesk>().DecideAsync(
                parsed.GetValue(id)!, person.Username, approve, parsed.GetValue(note) ?? "", ApprovalDoors.CommandLine, ct, here: false).ConfigureAwait(false);
            switch (result)
            {
                case DecideResult.Taken { Approval: var taken }:
                    return Say(parsed, taken);
                case DecideResult.Repeated { Approval: var before }:
                    return Say(parsed, before);
                case DecideResult.TooLate late:
                    return await FailAsync($"{late.Approval.Id} has ended: {late.Approval.Standing()}").ConfigureAwait(false);
                case DecideResult.Refused refused:
                    return await FailAsync(string.Join(' ', refused.Why.Select(static c => c.Text))).ConfigureAwait(false);
                default:
                    return await MissingAsync(parsed.GetValue(id)!).ConfigureAwait(false);
            }
        }));
        return command;
    }

    private static Argument<string> Id() => new("id") { Description = "Number of the request, such as AP-1A2B3C4D5E6F708192A3." };

    private static int Say(ParseResult parsed, Approval approval)
    {
        if (parsed.GetValue(CommandLine.Json)) Output.Json(approval);
        else Console.Out.WriteLine($"{approval.Id} {approval.Status}: {approval.Standing()}");
        return CommandLine.Done;
    }

    private static Task<int> MissingAsync(string id) => FailAsync($"there is no approval {id}");

    private static async Task<int> FailAsync(string why)
    {
        await Console.Error.WriteLineAsync("pw: " + why).ConfigureAwait(false);
        return CommandLine.Failed;
    }
}
