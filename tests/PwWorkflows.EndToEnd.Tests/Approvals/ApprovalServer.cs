using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Orders;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.Orders;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.EndToEnd.Tests.Approvals;

/// <summary>The server with a workflow that asks for an approval and writes down how it went, and a second administrator, <c>ada</c> (password <c>admin</c>).</summary>
public partial class ApprovalServer(Func<CancellationToken, Task<string?>> database) : OrderServer(database)
{
    private readonly Dictionary<string, (string Token, DateTimeOffset Since)> _tokens = [];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    protected override IReadOnlyDictionary<string, string> MoreWorkflows { get; } = new Dictionary<string, string> { ["ask"] = Ask() };

    public ApprovalStore Store => Services.GetRequiredService<ApprovalStore>();

    /// <summary>The token of a user whose password is known: <c>admin</c> for the second administrator, else the name.</summary>
    public async Task<string> TokenOfAsync(string user)
    {
        if (user == "admin") return await TokenAsync();
        var users = Services.GetRequiredService<AdminUsers>();
        if (user == "ada" && await users.FindAsync(user, Ct) is null)
            await users.AddAsync(AdminUsers.Published[0] with { Username = "ada", DisplayName = "Ada Admin", Email = "ada@performancewest.net" }, Ct);
        // A test that moved the clock has outlived its tokens.
        if (!_tokens.TryGetValue(user, out var known) || Clock.GetUtcNow() - known.Since > TimeSpan.FromHours(6))
            _tokens[user] = known = (await Api.TokenAsync(Http, user, user == "ada" ? "admin" : user, Ct), Clock.GetUtcNow());
        return known.Token;
    }

    /// <summary>Starts the workflow that asks; gives the request once it is there.</summary>
    /// <param name="title">What is to be approved.</param>
    /// <param name="more">More inputs of the workflow.</param>
    /// <param name="key">The order it is about; else one that there is not.</param>
    public async Task<Approval> AskAsync(string? title = null, object? more = null, string? key = null)
    {
        key ??= "ask-" + Guid.NewGuid().ToString("N")[..8];
        var input = new Dictionary<string, object> { ["Key"] = key, ["Title"] = title ?? "Pay 1,250 dollars for " + key };
        foreach (var (name, value) in JsonSerializer.SerializeToNode(more ?? new { })!.AsObject()) input[name] = value!.GetValueKind() == JsonValueKind.Number ? value.GetValue<int>() : value.ToString();
        Assert.True(await Services.GetRequiredService<IWorkflowDispatch>().TryDispatchAsync("ask", key, input, Ct));
        await WaitAsync(async () => (await Store.ListAsync(new(OrderNumber: key), 0, 10, Ct)).Count > 0, $"{key} asks for an approval");
        return Assert.Single(await Store.ListAsync(new(OrderNumber: key), 0, 10, Ct));
    }

    public async Task<(HttpStatusCode Status, JsonElement Body)> DecideAsync(string id, string user, object body, int node = 0)
    {
        using var answer = await Api.SendAsync(Node(node), HttpMethod.Post, $"/api/v1/admin/approvals/{id}/decide", await TokenOfAsync(user), body, Ct);
        return (answer.StatusCode, await answer.Content.ReadFromJsonAsync<JsonElement>(Ct));
    }

    /// <summary>What the workflow wrote down after the decision: its outcome, and who and what was said. Waits for it.</summary>
    public async Task<(string Outcome, string Words)> OutcomeAsync(Approval approval)
    {
        List<(string, string)> rows = [];
        await WaitAsync(async () =>
        {
            rows = await Database.QueryAsync("SELECT event, message FROM order_timeline WHERE order_number = @key AND event LIKE 'went-%'", Parameters.Of(("key", approval.OrderNumber)), r => (r.GetString(0), r.GetString(1)), Ct);
            return rows.Count > 0;
        }, $"{approval.Title} goes on");
        return Assert.Single(rows);
    }

    /// <summary>The lines of an order's history.</summary>
    public async Task<IReadOnlyList<string>> TimelineOfAsync(string order) =>
        await Database.QueryAsync("SELECT message FROM order_timeline WHERE order_number = @key ORDER BY id", Parameters.Of(("key", order)), r => r.GetString(0), Ct);

    /// <summary>The mails about a request, oldest first: reader and link.</summary>
    public async Task<IReadOnlyList<(string To, string Subject, string Link)>> MailsAsync(Approval approval)
    {
        var messages = await Sandbox.Http.GetFromJsonAsync<JsonElement>("mail/api/messages", Ct);
        return [.. messages.EnumerateArray().Where(m => m.GetProperty("subject").GetString()!.EndsWith(approval.Title, StringComparison.Ordinal))
            .Select(m => (m.GetProperty("to")[0].GetString()!, m.GetProperty("subject").GetString()!, Link().Match(m.GetProperty("text").GetString()!).Groups[1].Value))];
    }

    private static string Ask()
    {
        JsonObject Input(string type, string kind, string value) => new() { ["typeName"] = type, ["expression"] = new JsonObject { ["type"] = kind, ["value"] = value } };
        JsonObject Step(string type, string id, params (string Name, JsonNode Value)[] values)
        {
            var step = new JsonObject { ["type"] = type, ["version"] = 1, ["id"] = id, ["name"] = id, ["customProperties"] = new JsonObject(), ["metadata"] = new JsonObject { ["displayText"] = id } };
            foreach (var (name, value) in values) step[name] = value;
            return step;
        }

        JsonObject Variable(string id) => new() { ["typeName"] = "String", ["memoryReference"] = new JsonObject { ["id"] = id } };
        JsonObject Connect(string from, string port, string to) =>
            new() { ["source"] = new JsonObject { ["activity"] = from, ["port"] = port }, ["target"] = new JsonObject { ["activity"] = to, ["port"] = "In" } };
        JsonObject Note(string outcome) => Step("Pw.RecordTimeline", "note" + outcome,
            ("orderNumber", Input("String", "JavaScript", "getInput('Key')")), ("event", Input("String", "Literal", "went-" + outcome.ToLowerInvariant())),
            ("message", Input("String", "JavaScript", "[getVariable('By') || '-', getVariable('Note') || '-'].join(': ')")));
        string[] names = ["Key", "Title", "People", "AmountCents", "RequestedBy", "Approvers", "Role"];
        var definition = new JsonObject
        {
            ["definitionId"] = "ask",
            ["id"] = "ask-v1",
            ["name"] = "Ask",
            ["version"] = 1,
            ["isLatest"] = true,
            ["isPublished"] = true,
            ["outputs"] = new JsonArray(),
            ["inputs"] = new JsonArray([.. names.Select(n => (JsonNode)new JsonObject { ["type"] = "Object", ["name"] = n })]),
            ["variables"] = new JsonArray([.. ((string[])["By", "Note"]).Select(v => (JsonNode)new JsonObject { ["id"] = v, ["name"] = v, ["typeName"] = "String", ["storageDriverTypeName"] = "Elsa.Workflows.WorkflowInstanceStorageDriver, Elsa.Workflows.Core" })]),
            ["root"] = new JsonObject
            {
                ["type"] = "Elsa.Flowchart",
                ["version"] = 1,
                ["id"] = "flow",
                ["customProperties"] = new JsonObject(),
                ["metadata"] = new JsonObject(),
                ["variables"] = new JsonArray(),
                ["activities"] = new JsonArray(
                    Step("Pw.RequestApproval", "ask",
                        ("title", Input("String", "JavaScript", "getInput('Title')")),
                        ("details", Input("ObjectDictionary", "JavaScript", "({ 'To': 'Acme <b>Telecom</b>', 'Account': 'Relay', 'Urgent': true, 'Invoices': 3 })")),
                        ("orderNumber", Input("String", "JavaScript", "getInput('Key')")),
                        // As long as that of a filing: a word that no line breaks.
                        ("subject", Input("String", "JavaScript", "getInput('Key') + ':' + 'c0ffee'.repeat(12)")),
                        ("people", Input("Int32", "JavaScript", "getInput('People') || 1")),
                        ("amountCents", Input("Int64", "JavaScript", "getInput('AmountCents')")),
                        ("requestedBy", Input("String", "JavaScript", "getInput('RequestedBy')")),
                        ("role", Input("String", "JavaScript", "getInput('Role')")),
                        ("approvers", Input("String[]", "JavaScript", "getInput('Approvers') ? getInput('Approvers').split(',') : []")),
                        ("ifApproved", Input("String", "Literal", "The money goes out over Relay.")),
                        ("ifRejected", Input("String", "Literal", "Nothing is paid.")),
                        ("decidedBy", Variable("By")), ("note", Variable("Note"))),
                    Note("Approved"), Note("Rejected"), Note("Expired")),
                ["connections"] = new JsonArray(Connect("ask", "Approved", "noteApproved"), Connect("ask", "Rejected", "noteRejected"), Connect("ask", "Expired", "noteExpired")),
            },
        };
        return definition.ToJsonString();
    }

    [GeneratedRegex(@"https?://[^/\s]+(/approvals/link\?t=[0-9a-f.]+)")]
    private static partial Regex Link();
}

public sealed class SqliteApprovalServer() : ApprovalServer(static _ => Task.FromResult<string?>(null));

public sealed class PostgresApprovalServer(PostgresFixture postgres) : ApprovalServer(async ct => await (await postgres.ServerAsync(ct)).CreateDatabaseAsync(ct));
