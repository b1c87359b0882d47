using System.Net;
using System.Text.Json;
using Elsa.Workflows.Runtime;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Filings;
using PwWorkflows.Activities.Records;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.EndToEnd.Tests.Pages;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.EndToEnd.Tests.Approvals;

public sealed class ApprovalsOnSqliteTests(SqliteApprovalServer server) : ApprovalApiTests(server), IClassFixture<SqliteApprovalServer>
{
    private readonly SqliteApprovalServer _server = server;

    [Fact]
    public async Task The_command_line_lists_shows_and_decides()
    {
        var approval = await _server.AskAsync();
        await _server.TokenOfAsync("ada");
        Assert.Contains(JsonDocument.Parse((await PwAsync(0, null, "list", "--json")).Output).RootElement.EnumerateArray(), a => a.GetProperty("id").GetString() == approval.Id);
        Assert.Contains(approval.Title, (await PwAsync(0, null, "list")).Output, StringComparison.Ordinal);
        var shown = await PwAsync(0, null, "show", approval.Id);
        Assert.Contains("The money goes out over Relay.", shown.Output, StringComparison.Ordinal);
        Assert.Contains("Acme <b>Telecom</b>", shown.Output, StringComparison.Ordinal);

        Assert.Contains("--user", (await PwAsync(2, null, "approve", approval.Id)).Error, StringComparison.Ordinal);
        Assert.Contains("--note", (await PwAsync(2, "admin", "reject", approval.Id, "--user", "ada")).Error, StringComparison.Ordinal);
        await PwAsync(2, null, "list", "--status", "open");
        Assert.Contains("the name or the password is wrong", (await PwAsync(1, "not it", "approve", approval.Id, "--user", "ada")).Error, StringComparison.Ordinal);
        Assert.Contains("is no administrator", (await PwAsync(1, "operator", "approve", approval.Id, "--user", "operator")).Error, StringComparison.Ordinal);
        Assert.Contains("there is no approval AP-0000000000", (await PwAsync(1, null, "show", "AP-0000000000")).Error, StringComparison.Ordinal);
        Assert.Contains("there is no approval AP-0000000000", (await PwAsync(1, "admin", "approve", "AP-0000000000", "--user", "ada")).Error, StringComparison.Ordinal);
        Assert.Equal(ApprovalStatuses.Waiting, (await _server.Store.FindAsync(approval.Id, Ct))!.Status);

        var decided = await PwAsync(0, "admin\n", "approve", approval.Id, "--user", "ada", "--note", "by hand");
        Assert.Contains($"{approval.Id} approved: Approved by Ada Admin", decided.Output, StringComparison.Ordinal);
        // The command wakes nobody: the running server does.
        Assert.Equal(("went-approved", "ada: by hand"), await _server.OutcomeAsync(approval));
        Assert.Contains("has ended: Approved by Ada Admin", (await PwAsync(1, "admin", "reject", approval.Id, "--user", "admin", "--note", "late")).Error, StringComparison.Ordinal);
        Assert.Equal("command-line", Assert.Single((await _server.Store.FindAsync(approval.Id, Ct))!.Decisions).Via);

        var other = await _server.AskAsync();
        Assert.Contains($"{other.Id} rejected", (await PwAsync(0, "admin", "reject", other.Id, "--user", "admin", "--note", "no", "--json")).Output.Replace("\"status\": \"", other.Id + " ", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Equal(("went-rejected", "admin: no"), await _server.OutcomeAsync(other));
    }

    private async Task<PwResult> PwAsync(int code, string? password, params string[] args)
    {
        var result = await Pw.RunAsync(["approvals", .. args, "--data", _server.Data], _server.Settings, Ct, password);
        Assert.True(result.ExitCode == code, $"{string.Join(' ', args)} ended with {result.ExitCode}: {result.Output}{result.Error}");
        return result;
    }
}

public sealed class ApprovalsOnPostgresTests(PostgresApprovalServer server) : ApprovalApiTests(server), IClassFixture<PostgresApprovalServer>
{
    private readonly PostgresApprovalServer _server = server;

    [Fact]
    public async Task Two_administrators_on_two_nodes_at_the_same_second_have_one_winner()
    {
        await _server.StartNodeAsync();
        for (var round = 0; round < 5; round++)
        {
            var approval = await _server.AskAsync();
            await _server.TokenOfAsync("ada");
            var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(async () => (User: i % 2 == 0 ? "admin" : "ada", Answer: await _server.DecideAsync(
                approval.Id, i % 2 == 0 ? "admin" : "ada", new { decision = i % 2 == 0 ? "approve" : "reject", note = "n" }, i / 2 % 2)), Ct)));
            var winner = Assert.Single(answers.Where(a => a.Answer.Status == HttpStatusCode.OK).Select(a => a.User).Distinct());
            var told = winner == "admin" ? "Approved by Sandbox Admin" : "Rejected by Ada Admin";
            Assert.All(answers.Where(a => a.User != winner), a => Assert.Equal((HttpStatusCode.Conflict, true), (a.Answer.Status, a.Answer.Body.GetProperty("detail").GetString()!.StartsWith(told, StringComparison.Ordinal))));
            Assert.Equal(winner == "admin" ? "went-approved" : "went-rejected", (await _server.OutcomeAsync(approval)).Outcome);
        }
    }
}

/// <summary>Requests of real workflows on the engine, decided over the admin API.</summary>
public abstract class ApprovalApiTests(ApprovalServer server)
{
    protected static CancellationToken Ct => TestContext.Current.CancellationToken;

    private async Task<JsonElement> ShowAsync(string id, string user = "viewer") => await Api.GetAsync(server.Http, "/api/v1/admin/approvals/" + id, await server.TokenOfAsync(user), Ct);

    [Fact]
    public async Task Administrators_decide_operators_and_viewers_only_look_and_strangers_see_nothing()
    {
        var approval = await server.AskAsync();
        var path = "/api/v1/admin/approvals/" + approval.Id;
        foreach (var user in (string[])["operator", "viewer"])
        {
            var (status, _) = await server.DecideAsync(approval.Id, user, new { decision = "approve" });
            Assert.Equal(HttpStatusCode.Forbidden, status);
            var seen = await ShowAsync(approval.Id, user);
            Assert.Equal((false, false), (seen.GetProperty("may_approve").GetBoolean(), seen.GetProperty("may_reject").GetBoolean()));
            Assert.Contains(seen.GetProperty("checks").EnumerateArray(), c => c.GetProperty("rule").GetString() == "approver" && !c.GetProperty("passed").GetBoolean());
        }

        using (var answer = await Api.SendAsync(server.Http, HttpMethod.Get, path, null, null, Ct)) await Api.ProblemAsync(answer, 401, Ct);
        using (var answer = await Api.SendAsync(server.Http, HttpMethod.Post, path + "/decide", null, new { decision = "approve" }, Ct)) await Api.ProblemAsync(answer, 401, Ct);
        using (var answer = await Api.SendAsync(server.Http, HttpMethod.Get, "/api/v1/admin/approvals?status=open", await server.TokenOfAsync("viewer"), null, Ct)) await Api.ProblemAsync(answer, 400, Ct);
        var list = await Api.GetAsync(server.Http, $"/api/v1/admin/approvals?status=waiting&instance_id={approval.InstanceId}", await server.TokenOfAsync("viewer"), Ct);
        Assert.Equal((1, approval.Id), (list.GetProperty("total").GetInt32(), Assert.Single(list.GetProperty("approvals").EnumerateArray()).GetProperty("id").GetString()));

        var (wrong, problem) = await server.DecideAsync(approval.Id, "admin", new { decision = "perhaps", note = new string('x', 2001), via = "pigeon" });
        Assert.Equal(HttpStatusCode.BadRequest, wrong);
        Assert.Equal(["decision", "note", "via"], problem.GetProperty("errors").EnumerateObject().Select(e => e.Name));
        Assert.Equal(HttpStatusCode.BadRequest, (await server.DecideAsync(approval.Id, "admin", new { decision = "reject" })).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await server.DecideAsync("AP-0000000000", "admin", new { decision = "approve" })).Status);
        Assert.Equal(ApprovalStatuses.Waiting, (await server.Store.FindAsync(approval.Id, Ct))!.Status);
    }

    [Fact]
    public async Task Two_administrators_who_take_the_role_from_each_other_at_once_leave_one()
    {
        var (users, audit) = (server.Services.GetRequiredService<AdminUsers>(), server.Services.GetRequiredService<AuditLog>());
        await server.TokenOfAsync("ada");
        try
        {
            for (var round = 0; round < 10; round++)
            {
                await RestoreAsync();
                var answers = await Task.WhenAll(
                    Task.Run(() => round % 2 == 0 ? users.SetRoleAsync("ada", Roles.Viewer, "admin", audit, Ct) : users.SetActiveAsync("ada", false, "admin", audit, Ct), Ct),
                    Task.Run(() => users.SetRoleAsync("admin", Roles.Operator, "ada", audit, Ct), Ct));
                Assert.Equal(1, await server.CountAsync("SELECT COUNT(*) FROM admin_users WHERE roles = 'admin' AND active = @yes", ("yes", true)));
                Assert.Equal("Nothing was changed: without this account nobody would be an administrator who may sign in.", Assert.Single(answers, static a => a is not null));
            }

            await RestoreAsync();
            Assert.Null(await users.SetActiveAsync("ada", false, "admin", audit, Ct));
            Assert.NotNull(await users.SetActiveAsync("admin", false, "ada", audit, Ct));
            Assert.Null(await users.SetRoleAsync("operator", Roles.Viewer, "admin", audit, Ct));
            Assert.Equal("There is no user nobody.", await users.SetRoleAsync("nobody", Roles.Viewer, "admin", audit, Ct));
        }
        finally
        {
            await RestoreAsync();
            await server.ExecuteAsync("UPDATE admin_users SET roles = 'operator' WHERE username = 'operator'");
        }

        Task RestoreAsync() => server.ExecuteAsync("UPDATE admin_users SET roles = 'admin', active = @yes WHERE username IN ('admin', 'ada')", ("yes", true));
    }

    [Fact]
    public async Task An_approval_wakes_its_workflow_with_who_and_what_was_said_and_the_second_administrator_is_told_who_decided()
    {
        var approval = await server.AskAsync();
        Assert.Equal([("To", "Acme <b>Telecom</b>"), ("Account", "Relay"), ("Urgent", "yes"), ("Invoices", "3")], approval.Details.Select(d => (d.Name, d.Value)));
        var instance = await Api.GetAsync(server.Http, "/elsa/api/workflow-instances/" + approval.InstanceId, await server.TokenAsync(), Ct);
        Assert.Equal("Suspended", instance.GetProperty("subStatus").GetString());
        Assert.Equal("Pw.RequestApproval", instance.GetProperty("workflowState").GetProperty("bookmarks")[0].GetProperty("name").GetString());

        var (status, body) = await server.DecideAsync(approval.Id, "admin", new { decision = "approve", note = " all good " });
        Assert.Equal((HttpStatusCode.OK, "approved"), (status, body.GetProperty("approval").GetProperty("status").GetString()));
        Assert.Equal(("went-approved", "admin: all good"), await server.OutcomeAsync(approval));
        Assert.Equal(HttpStatusCode.OK, (await server.DecideAsync(approval.Id, "admin", new { decision = "approve" })).Status);
        var (late, told) = await server.DecideAsync(approval.Id, "ada", new { decision = "reject", note = "no" });
        Assert.Equal(HttpStatusCode.Conflict, late);
        Assert.StartsWith("Approved by Sandbox Admin on ", told.GetProperty("detail").GetString(), StringComparison.Ordinal);
        await server.EndedAsync("ask", approval.OrderNumber!);
        await server.WaitAsync(async () => (await server.Store.FindAsync(approval.Id, Ct))!.DeliveredAt is not null, "the outcome is taken");
        Assert.Contains((await server.TimelineOfAsync(approval.OrderNumber!)), t => t.Contains("Approved by Sandbox Admin", StringComparison.Ordinal));
        var audit = await server.Services.GetRequiredService<AuditLog>().LatestAsync(1000, Ct);
        Assert.Equal(["approval-approved", "approval-requested"], audit.Where(e => e.Subject == approval.Id).Select(e => e.Action));
        Assert.Null(await server.Services.GetRequiredService<AuditLog>().FindFaultAsync(Ct));
    }

    [Fact]
    public async Task A_rejection_and_a_time_that_runs_out_lead_their_own_ways()
    {
        var rejected = await server.AskAsync();
        var expired = await server.AskAsync();
        Assert.Equal(HttpStatusCode.OK, (await server.DecideAsync(rejected.Id, "admin", new { decision = "reject", note = "too much" })).Status);
        Assert.Equal(("went-rejected", "admin: too much"), await server.OutcomeAsync(rejected));
        server.Clock.Advance(TimeSpan.FromDays(7));
        Assert.Equal(("went-expired", "-: -"), await server.OutcomeAsync(expired));
        var (status, told) = await server.DecideAsync(expired.Id, "admin", new { decision = "approve" });
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.StartsWith("Nobody decided before ", told.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_people_are_two_and_the_second_ends_it()
    {
        var approval = await server.AskAsync(more: new { People = 2, RequestedBy = "ada", AmountCents = 125_000 });
        var (own, told) = await server.DecideAsync(approval.Id, "ada", new { decision = "approve" });
        Assert.Equal((HttpStatusCode.Forbidden, "Ada Admin asked for this and can't approve it."), (own, told.GetProperty("detail").GetString()));
        Assert.Equal(HttpStatusCode.OK, (await server.DecideAsync(approval.Id, "admin", new { decision = "approve" })).Status);
        Assert.Equal("waiting", (await ShowAsync(approval.Id)).GetProperty("approval").GetProperty("status").GetString());
        Assert.Equal("1,250.00 USD", (await ShowAsync(approval.Id)).GetProperty("amount").GetString());
        Assert.Equal(HttpStatusCode.OK, (await server.DecideAsync(approval.Id, "ada", new { decision = "reject", note = "changed my mind" })).Status);
        Assert.Equal(("went-rejected", "ada: changed my mind"), await server.OutcomeAsync(approval));
    }

    [Theory]
    [InlineData("execute")]
    [InlineData("dispatch")]
    public async Task Whoever_starts_the_workflow_by_hand_is_who_asks_and_not_one_of_the_two(string door)
    {
        var key = "ask-" + Guid.NewGuid().ToString("N")[..8];
        using (var started = await Api.SendAsync(server.Http, HttpMethod.Post, $"/elsa/api/workflow-definitions/ask/{door}", await server.TokenAsync(), new { input = new { Key = key, Title = "Pay " + key, People = 2 } }, Ct))
            Assert.True(started.IsSuccessStatusCode, await started.Content.ReadAsStringAsync(Ct));
        await server.WaitAsync(async () => await server.Store.CountAsync(new(OrderNumber: key), Ct) == 1, "it asks");
        var approval = Assert.Single(await server.Store.ListAsync(new(OrderNumber: key), 0, 10, Ct));
        Assert.Equal("admin", approval.RequestedBy);
        var (own, told) = await server.DecideAsync(approval.Id, "admin", new { decision = "approve" });
        Assert.Equal((HttpStatusCode.Forbidden, "Sandbox Admin asked for this and can't approve it."), (own, told.GetProperty("detail").GetString()));
    }

    [Fact]
    public async Task Whoever_resumes_the_bookmark_by_another_door_approves_nothing()
    {
        var approval = await server.AskAsync();
        var resumer = server.Services.GetRequiredService<IBookmarkResumer>();
        for (var i = 0; i < 2; i++)
            Assert.True((await resumer.ResumeAsync<RequestApproval>(new ApprovalStimulus(approval.Id), approval.InstanceId, null, Ct)).Matched);
        Assert.Equal(ApprovalStatuses.Waiting, (await server.Store.FindAsync(approval.Id, Ct))!.Status);
        Assert.Single(await server.Store.ListAsync(new(InstanceId: approval.InstanceId), 0, 10, Ct));
        Assert.Equal(HttpStatusCode.OK, (await server.DecideAsync(approval.Id, "admin", new { decision = "approve" })).Status);
        Assert.Equal("went-approved", (await server.OutcomeAsync(approval)).Outcome);
    }

    [Fact]
    public async Task A_request_that_waits_under_a_shorter_number_of_before_is_decided_under_it()
    {
        var approval = await server.AskAsync();
        Assert.Matches("^AP-[0-9A-F]{20}$", approval.Id);
        var before = approval.Id[..13];
        await server.WaitAsync(async () => await server.CountAsync("SELECT COUNT(*) FROM approval_links WHERE approval_id = @id AND mailed_at IS NOT NULL", ("id", approval.Id)) > 0, "its mails are made");
        await server.ExecuteAsync("DELETE FROM approval_links WHERE approval_id = @id", ("id", approval.Id));
        await server.ExecuteAsync("UPDATE approvals SET id = @before WHERE id = @id", ("before", before), ("id", approval.Id));
        // Row and bookmark carry the number of before now, as they do after the upgrade.
        Assert.True((await server.Services.GetRequiredService<IBookmarkResumer>().ResumeAsync<RequestApproval>(new ApprovalStimulus(approval.Id), approval.InstanceId, null, Ct)).Matched);

        Assert.Equal(before, (await ShowAsync(before)).GetProperty("approval").GetProperty("id").GetString());
        Assert.Equal(HttpStatusCode.OK, (await server.DecideAsync(before, "admin", new { decision = "approve", note = "still good" })).Status);
        Assert.Equal(("went-approved", "admin: still good"), await server.OutcomeAsync(approval));
        await server.WaitAsync(async () => (await server.Store.FindAsync(before, Ct))!.DeliveredAt is not null, "the outcome is taken");
        Assert.Equal(before, Assert.Single(await server.Store.ListAsync(new(InstanceId: approval.InstanceId), 0, 10, Ct)).Id);
    }

    [Fact]
    public async Task An_orders_page_tells_every_kind_of_entry_in_time_order_with_money_and_who_approved()
    {
        await server.TokenOfAsync("ada");
        var order = await server.PlaceAsync(cents: 49_900);
        await server.PayAsync(order);
        await server.RanAsync(order);
        await server.WaitAsync(async () => await server.CountAsync("SELECT COUNT(*) FROM mails WHERE order_number = @order AND status = 'sent'", ("order", order)) > 0, "the customer is mailed");

        Later();
        var approval = await server.AskAsync("Pay the government's fee", new { People = 2, AmountCents = 12_500 }, order);
        Later();
        Assert.Equal(HttpStatusCode.OK, (await server.DecideAsync(approval.Id, "admin", new { decision = "approve", note = "The fee is right." })).Status);
        Later();
        Assert.Equal(HttpStatusCode.OK, (await server.DecideAsync(approval.Id, "ada", new { decision = "approve", note = "Seen the invoice." })).Status);
        await server.OutcomeAsync(approval);

        // What a filing, the bank and partners leave behind.
        var manifest = new FilingManifest
        {
            OrderNumber = order,
            ServiceSlug = "probe",
            Form = "499-A",
            Year = 2026,
            FilerId = "812345",
            LegalName = "Probe",
            ConfirmationNumber = "C-77",
            Reference = order,
            SubmittedAt = "now",
            ValuesSha256 = new('a', 64),
            PageMapVersion = "1",
            PageMapSha256 = "",
            WorkflowDefinitionVersionId = "",
            WorkflowInstanceId = "",
            RecordedAt = Later(),
            Files = [new("01-sign-in.png", 1, "", "image/png"), new("02-confirmation.png", 1, "", "image/png"), new("values.json", 1, "", "application/json")],
        };
        await InsertAsync("officer_authorizations", ("order_number", order), ("values_sha256", manifest.ValuesSha256), ("officer_name", "Olive Officer"), ("officer_title", "CEO"), ("phone", ""), ("email", ""), ("authorized_at", server.Clock.GetUtcNow()), ("recorded_by", "operator"), ("recorded_at", server.Clock.GetUtcNow()));
        await InsertAsync("filings", ("sequence", 900_000L), ("order_number", order), ("slug", "probe"), ("form", "499-A"), ("year", 2026), ("filer_id", "812345"), ("confirmation_number", "C-77"), ("reference", order), ("submitted_at", "now"), ("values_sha256", manifest.ValuesSha256),
            ("page_map_version", "1"), ("bucket", "b"), ("manifest_key", "k"), ("manifest", JsonSerializer.Serialize(manifest, FilingManifest.Json)), ("manifest_sha256", "story"), ("previous_manifest_sha256", "story"), ("filed_at", Later()));
        await InsertAsync("crypto_payment_jobs", ("order_number", order), ("crypto", "ETH-USDC"), ("txid", "0xfeed"), ("amount_crypto", "499.0"), ("amount_fiat_cents", 49_900L), ("state", "manual"), ("received_at", Later()), ("updated_at", Later()));
        await InsertAsync("relay_mails", ("account", "ops@x"), ("folder", "INBOX"), ("uid_validity", 1L), ("uid", 1L), ("message_id", "<story@x>"), ("sha256", "s"), ("from_address", "alerts@relayfi.com"), ("subject", "Deposit"), ("received_at", Later()), ("kind", "deposit"), ("read_at", server.Clock.GetUtcNow()));
        await server.ExecuteAsync("INSERT INTO relay_deposits (mail_id, amount_cents, received_at, counterparty, memo, source_kind, matched_order_id, matched_by) SELECT id, 49850, received_at, 'BRIDGE BUILDING INC', @memo, 'offramp_bridge', @order, 'memo' FROM relay_mails WHERE message_id = '<story@x>'", ("order", order), ("memo", "PW-" + order));
        await InsertAsync("partners", ("code", "acme"), ("name", "Acme"), ("email", "acme@carrier.net"), ("rate_bps", 1000));
        await InsertAsync("commission_statements", ("id", "ST-acme-1"), ("partner_code", "acme"), ("month", "2026-01"), ("total_cents", 4_990L), ("created_at", server.Clock.GetUtcNow().AddMinutes(3))); // after it has cleared
        await InsertAsync("commissions", ("order_number", order), ("seq", 0), ("partner_code", "acme"), ("base_cents", 49_900L), ("rate_bps", 1000), ("amount_cents", 4_990L), ("status", "payable"), ("clears_on", "2026-01-31"), ("statement", "ST-acme-1"), ("created_at", Later()), ("payable_at", Later()));
        Later();
        Later();
        await server.Services.GetRequiredService<AuditLog>().WriteAsync("operator", "customer-called", order, null, Ct);
        Later();
        await server.EventAsync("charge.refunded", order, new { metadata = true });
        await server.ToDoAsync(order, "refunded");

        using var http = await ConsoleHttp.SignInAsync(server.Http.BaseAddress!, "viewer", Ct);
        var page = await http.PageAsync("/orders/" + order, Ct);
        var lines = page.QuerySelectorAll(".timeline li").Select(static li => (At: li.QuerySelector("time")!.GetAttribute("datetime")!, Text: string.Join(' ', li.QuerySelector(".what")!.TextContent.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)))).ToList();
        Assert.Equal(lines.Select(static l => l.At).Order(StringComparer.Ordinal), lines.Select(static l => l.At));
        var before = -1;
        foreach (var moment in (string[][])
        [
            ["Checkout", "Webhook stripe sent checkout.session.completed", "499.00 USD came in by card (", "Workflow started order-fulfilment version 1", "ERPNext", "Workflow started service-probe version 1", "Mail sent"],
            ["Workflow started ask version 1", "The workflow asked for two approvals: Pay the government's fee, until"],
            ["Sandbox Admin approved Pay the government's fee by the API The fee is right."],
            ["Ada Admin approved Pay the government's fee by the API Seen the invoice.", "Workflow finished ask version 1"],
            ["Olive Officer authorized exactly these values"],
            ["Portal showed 2 screens", "Evidence sealed: 3 files, number 900000 of the chain"],
            ["Crypto received 499.0 ETH-USDC, worth 499.00 USD transaction 0xfeed"],
            ["Crypto waits for a person: 499.0 ETH-USDC"],
            ["Bank received 498.50 USD from BRIDGE BUILDING INC matched by its memo “PW-"],
            ["Commission earned: 49.90 USD for acme 10 % of 499.00 USD"],
            ["Commission cleared: 49.90 USD for acme"],
            ["Commission put on the statement: 49.90 USD for acme statement ST-acme-1, not mailed yet"],
            ["operator customer called"],
            ["Webhook stripe sent charge.refunded", "499.00 USD went back (", "ToDo raised: refunded"],
        ])
        {
            var places = moment.Select(part => (Part: part, Place: lines.FindIndex(l => l.Text.Contains(part, StringComparison.Ordinal)))).ToList();
            Assert.All(places, p => Assert.True(p.Place > before, $"“{p.Part}” is line {p.Place}, expected one after {before} of:\n{string.Join('\n', lines)}"));
            before = places.Max(static p => p.Place);
        }

        // Every word once, with the way to what it is about.
        Assert.Equal(2, lines.Count(static l => l.Text.Contains("approved Pay", StringComparison.Ordinal)));
        Assert.DoesNotContain(lines, static l => l.Text.Contains("approval approved", StringComparison.Ordinal));
        Assert.Equal(3, page.QuerySelectorAll($".timeline a[href='/approvals/{approval.Id}']").Length);
        Assert.Equal(2, page.QuerySelectorAll(".timeline .pictures img").Length);
        foreach (var part in (string[])["commissions", "deposits", "crypto"]) Assert.NotNull(page.QuerySelector($".timeline a[href='/treasury/{part}?order={order}']"));

        DateTimeOffset Later()
        {
            server.Clock.Advance(TimeSpan.FromMinutes(1));
            return server.Clock.GetUtcNow();
        }

        Task InsertAsync(string table, params (string Name, object? Value)[] values) => server.ExecuteAsync(
            $"INSERT INTO {table} ({string.Join(", ", values.Select(static v => v.Name))}) VALUES ({string.Join(", ", values.Select(static v => "@" + v.Name))})", values);
    }

    [Fact]
    public async Task A_cancelled_workflow_takes_its_request_along()
    {
        var approval = await server.AskAsync();
        using (var answer = await Api.SendAsync(server.Http, HttpMethod.Post, $"/elsa/api/cancel/workflow-instances/{approval.InstanceId}", await server.TokenAsync(), null, Ct)) Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Ct));
        await server.WaitAsync(async () => (await server.InstancesAsync("ask", approval.OrderNumber)).All(i => i.GetProperty("status").GetString() == "cancelled"), "it is cancelled");
        var (status, told) = await server.DecideAsync(approval.Id, "admin", new { decision = "approve" });
        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.StartsWith("The workflow no longer waits for it", told.GetProperty("detail").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_can_not_be_asked_stops_the_workflow_with_everything_that_is_wrong_at_once()
    {
        var key = "wrong-" + Guid.NewGuid().ToString("N")[..8];
        var input = new Dictionary<string, object> { ["Key"] = key, ["Title"] = "  ", ["People"] = 3, ["AmountCents"] = -5, ["Approvers"] = "admin,operator,nobody", ["Role"] = "operator" };
        Assert.True(await server.Services.GetRequiredService<Activities.Orders.IWorkflowDispatch>().TryDispatchAsync("ask", key, input, Ct));
        await server.WaitAsync(async () => (await server.ToDosAsync(key)).Count > 0, "a ToDo tells of the stopped workflow");
        var text = Assert.Single(await server.ToDosAsync(key)).Instructions;
        foreach (var part in (string[])["Title: expected a line", "People: expected 1 or 2, found 3.", "AmountCents: expected whole cents", "Approvers: expected active administrators, found 'operator'.", "found 'nobody'.", "Role: expected admin, found 'operator'."])
            Assert.Contains(part, text, StringComparison.Ordinal);
        Assert.Empty(await server.Store.ListAsync(new(OrderNumber: key), 0, 10, Ct));
    }
}
