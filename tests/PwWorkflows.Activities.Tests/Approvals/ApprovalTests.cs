using Elsa.Workflows;
using Elsa.Workflows.Models;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Messages;
using Elsa.Workflows.Runtime.Options;
using Elsa.Workflows.State;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Activities.Approvals;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Records;
using PwWorkflows.Activities.Tests.Filings;

namespace PwWorkflows.Activities.Tests.Approvals;

public sealed class ApprovalsOnSqlite() : ApprovalTests(null);

public sealed class ApprovalsOnPostgres(PostgresFixture postgres) : ApprovalTests(postgres), IClassFixture<PostgresFixture>;

/// <summary>Requests are decided once, by whom the rules allow; time, mails and links do their part. Real tables, a clock of the test, and an engine that only notes who is woken.</summary>
public abstract class ApprovalTests(PostgresFixture? postgres) : IAsyncLifetime
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 30, 9, 0, 0, TimeSpan.Zero));
    private readonly Engine _engine = new();
    private readonly Mailbox _mails = new();
    private readonly ApprovalOptions _options = new() { PublicUrl = new Uri("https://pw.example.net") };
    private TestDatabase _database = null!;
    private ApprovalStore _store = null!;
    private AuditLog _audit = null!;
    private ApprovalDesk _desk = null!;
    private ApprovalLinks _links = null!;
    private ApprovalWatch _watch = null!;
    private int _number;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await TestDatabase.CreateAsync(Ct, postgres);
        foreach (var (name, role) in ((string, string)[])[("ada", "admin"), ("bob", "admin"), ("cleo", "admin"), ("otto", "operator"), ("vera", "viewer")]) await AddUserAsync(name, role);
        (_store, _audit, _desk, _links, _watch) = Node();
    }

    public async ValueTask DisposeAsync()
    {
        _watch.Dispose();
        await _database.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private (ApprovalStore, AuditLog, ApprovalDesk, ApprovalLinks, ApprovalWatch) Node()
    {
        var store = new ApprovalStore(_database);
        var audit = new AuditLog(_database, _time);
        var desk = new ApprovalDesk(_database, store, _options, audit, _engine, _engine, _time, NullLogger<ApprovalDesk>.Instance);
        var links = new ApprovalLinks(_database, _options, _time);
        return (store, audit, desk, links, new ApprovalWatch(_database, store, desk, links, _options, audit, _mails, _time, NullLogger<ApprovalWatch>.Instance));
    }

    private Task<int> AddUserAsync(string name, string role, string? email = null) => _database.ExecuteAsync(
        "INSERT INTO admin_users (username, password_hash, display_name, email, roles, active) VALUES (@name, '', @display, @email, @role, @active)",
        Parameters.Of(("name", name), ("display", char.ToUpperInvariant(name[0]) + name[1..]), ("email", email ?? name + "@performancewest.net"), ("role", role), ("active", true)), Ct);

    private async Task<string> AskAsync(Func<Approval, Approval>? change = null)
    {
        var number = ++_number;
        var (instance, activity) = ($"instance{number}", $"activity{number}");
        var now = _time.GetUtcNow();
        var approval = new Approval(ApprovalStore.IdOf(instance, activity), instance, activity, "payouts", "Pay 1,250 dollars")
        {
            Details = [new("To", "Acme"), new("Account", "Relay")],
            RequestedAt = now,
            ExpiresAt = now.AddDays(7),
        };
        approval = change?.Invoke(approval) ?? approval;
        _engine.Waiting[instance] = activity;
        _store.Enlist(approval);
        await _database.CommitAsync(Ct);
        return approval.Id;
    }

    private Task<DecideResult> ApproveAsync(string id, string who, string note = "") => _desk.DecideAsync(id, who, true, note, ApprovalDoors.Api, Ct);

    private Task<DecideResult> RejectAsync(string id, string who, string note = "no") => _desk.DecideAsync(id, who, false, note, ApprovalDoors.Api, Ct);

    private async Task<Approval> ShowAsync(string id) => (await _store.FindAsync(id, Ct))!;

    private async Task<IReadOnlyList<(string Actor, string Action)>> AuditOfAsync(string id)
    {
        Assert.Null(await _audit.FindFaultAsync(Ct));
        return [.. (await _audit.LatestAsync(1000, Ct)).Reverse().Where(e => e.Subject == id).Select(e => (e.Actor, e.Action))];
    }

    private async Task LookAsync()
    {
        await _watch.LookAsync(false, Ct);
        await _watch.SendMailsAsync(Ct);
    }

    [Fact]
    public async Task What_was_asked_is_read_back_as_it_was()
    {
        var id = await AskAsync(a => a with
        {
            CorrelationId = "c",
            OrderNumber = "CO-00000001",
            Subject = "s",
            IfApproved = "It is paid.",
            IfRejected = "Nothing.",
            Approvers = ["ada", "bob"],
            People = 2,
            AmountCents = 125_000,
            Currency = "USD",
            RequestedBy = "cleo",
            RemindEvery = TimeSpan.FromHours(4),
            NextReminderAt = a.RequestedAt.AddHours(4),
            EscalateAt = a.RequestedAt.AddDays(1),
            EscalateTo = ["cleo"],
            Details = [new("Zebra", "first"), new("Ärger <b>", "“quoted” \\ \n line")],
        });
        var read = await ShowAsync(id);
        Assert.Equal([new("Zebra", "first"), new("Ärger <b>", "“quoted” \\ \n line")], read.Details);
        Assert.Equal(["ada", "bob"], read.Approvers);
        Assert.Equal(("CO-00000001", "s", 2, 125_000L, "USD", "cleo"), (read.OrderNumber, read.Subject, read.People, read.AmountCents, read.Currency, read.RequestedBy));
        Assert.Equal((TimeSpan.FromHours(4), _time.GetUtcNow().AddHours(4), _time.GetUtcNow().AddDays(1), _time.GetUtcNow().AddDays(7)), (read.RemindEvery, read.NextReminderAt, read.EscalateAt, read.ExpiresAt));
        Assert.Equal("1,250.00 USD", read.Amount());
        Assert.Equal(id, Assert.Single(await _store.ListAsync(new(Search: "DOLLARS"), 0, 10, Ct)).Id);
        Assert.Empty(await _store.ListAsync(new(Search: "dollar_"), 0, 10, Ct));
        Assert.Equal((1L, 0L), (await _store.CountAsync(new("waiting", read.InstanceId, "CO-00000001"), Ct), await _store.CountAsync(new("approved"), Ct)));
    }

    [Fact]
    public async Task One_word_decides_is_in_the_audit_log_and_wakes_the_workflow()
    {
        var id = await AskAsync();
        await LookAsync();
        var taken = Assert.IsType<DecideResult.Taken>(await ApproveAsync(id, "ada", "fine"));
        Assert.Equal("Approved by Ada on 2026-03-30 09:00 UTC (“fine”).", taken.Approval.Standing());
        Assert.Equal([id], _engine.Woken);
        Assert.Equal([("system", "approval-requested"), ("ada", "approval-approved")], await AuditOfAsync(id));

        // Once more the same is a double click; anything else is told who decided.
        Assert.IsType<DecideResult.Repeated>(await ApproveAsync(id, "ada", "again"));
        Assert.Contains("Ada", Assert.IsType<DecideResult.TooLate>(await RejectAsync(id, "ada")).Approval.Standing(), StringComparison.Ordinal);
        Assert.Contains("Ada", Assert.IsType<DecideResult.TooLate>(await ApproveAsync(id, "bob")).Approval.Standing(), StringComparison.Ordinal);
        Assert.Equal("fine", Assert.Single((await ShowAsync(id)).Decisions).Note);
        Assert.Equal(2, (await AuditOfAsync(id)).Count);
        Assert.IsType<DecideResult.Unknown>(await ApproveAsync("AP-0000000000", "ada"));
    }

    [Fact]
    public async Task Of_many_words_at_once_one_wins_and_the_others_are_told_who()
    {
        for (var i = 0; i < 20; i++) await AddUserAsync("admin" + i, "admin");
        for (var round = 0; round < 3; round++)
        {
            var id = await AskAsync();
            var results = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() => i % 2 == 0 ? ApproveAsync(id, "admin" + i) : RejectAsync(id, "admin" + i), Ct)));
            var won = Assert.Single(results.OfType<DecideResult.Taken>()).Approval;
            var winner = Assert.Single(won.Decisions);
            Assert.All(results.OfType<DecideResult.TooLate>(), r => Assert.Equal(winner.Username, Assert.Single(r.Approval.Decisions).Username));
            Assert.Equal(19, results.OfType<DecideResult.TooLate>().Count());
            var read = await ShowAsync(id);
            Assert.Equal((winner.Decision, winner.Username), (read.Status, Assert.Single(read.Decisions).Username));
            Assert.Single(await AuditOfAsync(id), e => e.Action is "approval-approved" or "approval-rejected");
            Assert.Single(_engine.Woken, id);
        }
    }

    [Fact]
    public async Task The_same_person_in_two_browsers_at_once_gives_one_word()
    {
        var id = await AskAsync(a => a with { People = 2 });
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => ApproveAsync(id, "ada"), Ct)));
        Assert.Single(results.OfType<DecideResult.Taken>());
        Assert.Equal(7, results.OfType<DecideResult.Repeated>().Count());
        Assert.Equal((ApprovalStatuses.Waiting, 1), ((await ShowAsync(id)).Status, (await ShowAsync(id)).Decisions.Count));
        Assert.Empty(_engine.Woken);
    }

    [Fact]
    public async Task Two_people_must_be_two_and_whoever_asks_is_neither_but_may_take_it_back()
    {
        var id = await AskAsync(a => a with { People = 2, RequestedBy = "Cleo" });
        Assert.Equal("own-request", Assert.Single(Assert.IsType<DecideResult.Refused>(await ApproveAsync(id, "cleo")).Why).Rule);
        Assert.Equal(ApprovalStatuses.Waiting, Assert.IsType<DecideResult.Taken>(await ApproveAsync(id, "ada")).Approval.Status);
        // Ada can't change her mind by a second word, and can't be both.
        Assert.Equal("different-person", Assert.Single(Assert.IsType<DecideResult.Refused>(await RejectAsync(id, "ada")).Why).Rule);
        Assert.Equal(ApprovalStatuses.Approved, Assert.IsType<DecideResult.Taken>(await ApproveAsync(id, "bob")).Approval.Status);
        Assert.Equal([("ada", "approved"), ("bob", "approved")], (await ShowAsync(id)).Decisions.Select(d => (d.Username, d.Decision)));
        Assert.Equal([id], _engine.Woken);

        var second = await AskAsync(a => a with { People = 2, RequestedBy = "cleo" });
        await ApproveAsync(second, "ada");
        Assert.Equal(ApprovalStatuses.Rejected, Assert.IsType<DecideResult.Taken>(await RejectAsync(second, "cleo")).Approval.Status);
        // Naming somebody else as who asks makes nobody who started it free to approve.
        var third = await AskAsync(a => a with { People = 2, RequestedBy = "cleo", StartedBy = "Bob" });
        Assert.Equal("own-request", Assert.Single(Assert.IsType<DecideResult.Refused>(await ApproveAsync(third, "bob")).Why).Rule);

        // One person is enough: then whoever asks may say yes as well.
        var alone = await AskAsync(a => a with { RequestedBy = "cleo" });
        Assert.IsType<DecideResult.Taken>(await ApproveAsync(alone, "cleo"));
        Assert.Contains(("cleo", "approval-refused"), await AuditOfAsync(id));
    }

    [Fact]
    public async Task Only_active_administrators_decide_and_only_those_who_are_named()
    {
        var id = await AskAsync(a => a with { Approvers = ["bob"] });
        foreach (var who in (string[])["otto", "vera", "nobody", "ada"])
            Assert.Equal("approver", Assert.Single(Assert.IsType<DecideResult.Refused>(await ApproveAsync(id, who)).Why).Rule);
        await _database.ExecuteAsync("UPDATE admin_users SET active = @no WHERE username = 'bob'", Parameters.Of(("no", false)), Ct);
        Assert.IsType<DecideResult.Refused>(await RejectAsync(id, "bob"));
        await _database.ExecuteAsync("UPDATE admin_users SET active = @yes WHERE username = 'bob'", Parameters.Of(("yes", true)), Ct);
        Assert.IsType<DecideResult.Taken>(await RejectAsync(id, "bob"));
        Assert.Equal("no", Assert.Single((await ShowAsync(id)).Decisions).Note);
    }

    [Fact]
    public async Task An_amount_that_has_come_above_the_limit_of_one_person_is_not_approved_by_one()
    {
        var id = await AskAsync(a => a with { AmountCents = 1_000_000, Currency = "USD" });
        _options.TwoPeopleFromCents = 1_000_000;
        var refused = Assert.IsType<DecideResult.Refused>(await ApproveAsync(id, "ada"));
        Assert.Equal("10,000.00 USD needs two people (two from 10,000.00 on), but only one was asked for: reject it and have it asked again.", Assert.Single(refused.Why).Text);
        Assert.IsType<DecideResult.Taken>(await RejectAsync(id, "ada"));
    }

    [Fact]
    public async Task The_checks_tell_each_rule_and_how_it_stands()
    {
        _options.TwoPeopleFromCents = 1_000_000;
        var id = await AskAsync(a => a with { People = 2, RequestedBy = "cleo", AmountCents = 1_250_000, Currency = "EUR" });
        await ApproveAsync(id, "ada");
        _time.Advance(TimeSpan.FromDays(1.5));
        var checks = _desk.Check(await ShowAsync(id), (await _store.ApproverAsync("bob", Ct))!);
        Assert.Equal(
            [
                "It is open. Approved by Ada on 2026-03-30 09:00 UTC; a second person is needed.",
                "Every administrator may decide; Bob is one of them.",
                "Two different people must approve; Ada was the first, on 2026-03-30 09:00 UTC.",
                "Whoever asks can't approve; cleo asked.",
                "12,500.00 EUR: two people are asked for (two from 10,000.00 on).",
                "5 d 12 h left, until 2026-04-06 09:00 UTC.",
            ], checks.Select(c => c.Text));
        Assert.All(checks, c => Assert.True(c.Passed));
    }

    [Fact]
    public async Task From_the_instant_the_time_is_over_nobody_decides()
    {
        var id = await AskAsync();
        _time.Advance(TimeSpan.FromDays(7) - TimeSpan.FromSeconds(1));
        await LookAsync();
        Assert.Equal(ApprovalStatuses.Waiting, (await ShowAsync(id)).Status);
        _time.Advance(TimeSpan.FromSeconds(1));
        // The watch has not looked yet: the word ends it, but as expired.
        Assert.Equal(ApprovalStatuses.Expired, Assert.IsType<DecideResult.TooLate>(await ApproveAsync(id, "ada")).Approval.Status);
        Assert.Empty((await ShowAsync(id)).Decisions);
        Assert.Contains(("system", "approval-expired"), await AuditOfAsync(id));
        Assert.Equal([id], _engine.Woken);
        _store.EnlistDelivered(id, _time.GetUtcNow());
        await _database.CommitAsync(Ct);

        // Nobody looked until its time was over: the log tells that it was asked for all the same, whoever ends it.
        foreach (var byWord in (bool[])[true, false])
        {
            var other = await AskAsync();
            _time.Advance(TimeSpan.FromDays(7));
            if (byWord) Assert.IsType<DecideResult.TooLate>(await ApproveAsync(other, "ada"));
            else await LookAsync();
            Assert.Equal(ApprovalStatuses.Expired, (await ShowAsync(other)).Status);
            Assert.Equal([("system", "approval-requested"), ("system", "approval-expired")], await AuditOfAsync(other));
            Assert.Contains(other, _engine.Woken);
        }
    }

    [Fact]
    public async Task An_expiry_and_words_at_once_have_one_outcome()
    {
        for (var round = 0; round < 5; round++)
        {
            var id = await AskAsync(a => a with { ExpiresAt = a.RequestedAt.AddHours(1) });
            _time.Advance(TimeSpan.FromMinutes(59));
            var expired = new TaskCompletionSource();
            var words = Enumerable.Range(0, 6).Select(i => Task.Run(async () =>
            {
                if (i % 2 == 1) await expired.Task;
                return await ApproveAsync(id, i % 3 == 0 ? "ada" : "bob");
            }, Ct)).ToList();
            var looks = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
            {
                _time.Advance(TimeSpan.FromSeconds(30));
                expired.TrySetResult();
                await _desk.EndAsync(id, ApprovalStatuses.Expired, Ct);
            }, Ct)).ToList();
            await Task.WhenAll(looks);
            var results = await Task.WhenAll(words);
            await _desk.EndAsync(id, ApprovalStatuses.Expired, Ct);
            var read = await ShowAsync(id);
            Assert.Equal(read.Status == ApprovalStatuses.Approved ? 1 : 0, results.OfType<DecideResult.Taken>().Count());
            Assert.Equal(read.Status == ApprovalStatuses.Approved ? 1 : 0, read.Decisions.Count);
            Assert.Contains(read.Status, (string[])[ApprovalStatuses.Approved, ApprovalStatuses.Expired]);
            Assert.Single(await AuditOfAsync(id), e => e.Action is "approval-approved" or "approval-expired");
        }
    }

    [Fact]
    public async Task A_decision_whose_wake_up_was_lost_is_sent_again_at_the_next_start_and_until_it_is_taken()
    {
        var id = await AskAsync();
        _engine.IsDown = true;
        Assert.IsType<DecideResult.Taken>(await ApproveAsync(id, "ada"));
        Assert.Empty(_engine.Woken);
        // A process that starts finds it at once.
        _engine.IsDown = false;
        var (_, _, _, _, restarted) = Node();
        await restarted.LookAsync(true, Ct);
        Assert.Equal([id], _engine.Woken);
        await LookAsync();
        Assert.Equal([id], _engine.Woken);
        _time.Advance(TimeSpan.FromHours(1));
        await LookAsync();
        Assert.Equal([id, id], _engine.Woken);
        _store.EnlistDelivered(id, _time.GetUtcNow());
        await _database.CommitAsync(Ct);
        _time.Advance(TimeSpan.FromHours(2));
        await restarted.LookAsync(true, Ct);
        Assert.Equal([id, id], _engine.Woken);
        restarted.Dispose();
    }

    [Fact]
    public async Task A_request_that_nobody_waits_for_any_more_is_withdrawn_and_can_not_be_decided()
    {
        var cancelled = await AskAsync();
        var rerouted = await AskAsync();
        var faulted = await AskAsync();
        _engine.Waiting.Remove((await ShowAsync(cancelled)).InstanceId);
        _engine.Waiting[(await ShowAsync(rerouted)).InstanceId] = "another-activity";
        _engine.Waiting[(await ShowAsync(faulted)).InstanceId] = "!faulted";
        Assert.Equal(ApprovalStatuses.Withdrawn, Assert.IsType<DecideResult.TooLate>(await ApproveAsync(cancelled, "ada")).Approval.Status);
        _time.Advance(TimeSpan.FromSeconds(15));
        await LookAsync();
        Assert.Equal((ApprovalStatuses.Withdrawn, ApprovalStatuses.Waiting), ((await ShowAsync(rerouted)).Status, (await ShowAsync(faulted)).Status));
        Assert.Empty(_engine.Woken);
        Assert.Contains(("system", "approval-withdrawn"), await AuditOfAsync(rerouted));
    }

    [Fact]
    public async Task Those_who_may_decide_are_mailed_once_reminded_and_no_more_when_it_is_decided()
    {
        var id = await AskAsync(a => a with { People = 2, RequestedBy = "cleo", Subject = "payout:7", RemindEvery = TimeSpan.FromHours(24), NextReminderAt = a.RequestedAt.AddHours(24) });
        var (_, _, _, _, other) = Node();
        await Task.WhenAll(Task.Run(() => _watch.LookAsync(false, Ct), Ct), Task.Run(() => other.LookAsync(false, Ct), Ct));
        await LookAsync();
        await LookAsync();
        Assert.Equal(["ada", "bob"], _mails.Readers());
        Assert.All(_mails.Sent, m => Assert.Equal(("requested", "Pay 1,250 dollars", "cleo", "payout:7"), (m.Values["kind"], m.Values["title"], m.Values["requested_by"], m.Values["subject"])));

        _mails.Sent.Clear();
        _time.Advance(TimeSpan.FromHours(24));
        await LookAsync();
        await LookAsync();
        Assert.Equal(["ada", "bob"], _mails.Readers());
        Assert.All(_mails.Sent, m => Assert.Equal("reminder", m.Values["kind"]));

        // Down over two reminders: one goes out, and the next keeps its time of day. Who has given their word is left in peace.
        _mails.Sent.Clear();
        await ApproveAsync(id, "ada");
        _time.Advance(TimeSpan.FromHours(50));
        await LookAsync();
        Assert.Equal(["bob"], _mails.Readers());
        Assert.Equal((2, new DateTimeOffset(2026, 4, 3, 9, 0, 0, TimeSpan.Zero)), ((await ShowAsync(id)).RemindersSent, (await ShowAsync(id)).NextReminderAt));

        _mails.Sent.Clear();
        await ApproveAsync(id, "bob");
        _time.Advance(TimeSpan.FromHours(48));
        await LookAsync();
        Assert.Empty(_mails.Sent);
        Assert.Equal(["approval-requested", "approval-reminded", "approval-approved", "approval-reminded", "approval-approved"], (await AuditOfAsync(id)).Select(e => e.Action));
        other.Dispose();
    }

    [Fact]
    public async Task What_waits_too_long_is_escalated_to_others_who_may_decide_then_and_a_todo_is_raised_until_it_ends()
    {
        var id = await AskAsync(a => a with { OrderNumber = "CO-00000007", Approvers = ["ada"], EscalateAt = a.RequestedAt.AddDays(2), EscalateTo = ["bob"] });
        await LookAsync();
        Assert.Equal(["ada"], _mails.Readers());
        Assert.IsType<DecideResult.Refused>(await ApproveAsync(id, "bob"));
        _mails.Sent.Clear();
        _time.Advance(TimeSpan.FromDays(2));
        await LookAsync();
        await LookAsync();
        Assert.Equal(["bob"], _mails.Readers());
        Assert.Equal("escalated", Assert.Single(_mails.Sent).Values["kind"]);
        Assert.Equal([("CO-00000007", "approval-overdue:" + id, "open")], await ToDosAsync());
        Assert.IsType<DecideResult.Refused>(await ApproveAsync(id, "cleo"));
        Assert.IsType<DecideResult.Taken>(await ApproveAsync(id, "bob"));
        Assert.Equal([("CO-00000007", "approval-overdue:" + id, "closed")], await ToDosAsync());
        Assert.Single(await AuditOfAsync(id), e => e.Action == "approval-escalated");
        var history = await _database.QueryAsync("SELECT event FROM order_timeline WHERE order_number = 'CO-00000007'", Parameters.None, r => r.GetString(0), Ct);
        Assert.Equal(["approval-approved"], history);
    }

    private Task<List<(string, string, string)>> ToDosAsync() =>
        _database.QueryAsync("SELECT order_number, marker, status FROM admin_todos", Parameters.None, r => (r.GetString(0), r.GetString(1), r.GetString(2)), Ct);

    [Fact]
    public async Task A_mail_that_can_not_go_out_is_tried_again_and_holds_nothing_up()
    {
        var id = await AskAsync(a => a with { Approvers = ["ada"] });
        _mails.IsDown = true;
        await LookAsync();
        _time.Advance(TimeSpan.FromSeconds(59));
        _mails.IsDown = false;
        await LookAsync();
        Assert.Empty(_mails.Sent);
        _time.Advance(TimeSpan.FromSeconds(1));
        await LookAsync();
        Assert.Equal(["ada"], _mails.Readers());
        Assert.IsType<DecideResult.Taken>(await ApproveAsync(id, "ada"));
    }

    [Fact]
    public async Task A_link_names_its_person_works_once_and_ends_in_time()
    {
        var id = await AskAsync();
        await LookAsync();
        var (ada, bob) = (TokenFor("ada"), TokenFor("bob"));
        var (link, fault) = await _links.ReadAsync(ada, Ct);
        Assert.Equal((LinkFault.None, id, "ada"), (fault, link!.ApprovalId, link.Username));
        // Looking changes nothing.
        Assert.Equal(LinkFault.None, (await _links.ReadAsync(ada, Ct)).Fault);
        await _desk.DecideAsync(id, link.Username, true, "", ApprovalDoors.Mail, Ct);
        Assert.Equal(LinkFault.Used, (await _links.ReadAsync(ada, Ct)).Fault);
        Assert.Equal(LinkFault.None, (await _links.ReadAsync(bob, Ct)).Fault);
        _time.Advance(TimeSpan.FromHours(72));
        Assert.Equal(LinkFault.Expired, (await _links.ReadAsync(bob, Ct)).Fault);
        Assert.Equal("mail", Assert.Single((await ShowAsync(id)).Decisions).Via);

        // No link lasts longer than its request.
        _mails.Sent.Clear();
        await AskAsync(a => a with { ExpiresAt = a.RequestedAt.AddHours(1) });
        await LookAsync();
        Assert.Equal(_time.GetUtcNow().AddHours(1), (await _links.ReadAsync(TokenFor("ada"), Ct)).Link!.ExpiresAt);
    }

    [Fact]
    public async Task A_forged_link_opens_nothing()
    {
        await AskAsync();
        await LookAsync();
        var good = TokenFor("ada");
        var bob = TokenFor("bob");
        string[] forged =
        [
            "", "x", good[..^1] + (good[^1] == '0' ? '1' : '0'), good.ToUpperInvariant(), good + "0", "." + good, good.Split('.')[0] + "." + bob.Split('.')[1], bob.Split('.')[0] + "." + good.Split('.')[1],
            new string('0', 32) + "." + new string('0', 64), good.Split('.')[0] + ".", new string('a', 100_000),
        ];
        foreach (var token in forged) Assert.Equal((null, LinkFault.Forged), await _links.ReadAsync(token, Ct));
        Assert.Equal((null, LinkFault.Forged), await _links.ReadAsync(null, Ct));
        // A row moved to another person or a later end does not carry its signature along.
        await _database.RunAsync("UPDATE approval_links SET username = 'vera' WHERE username = 'ada'", Ct);
        Assert.Equal(LinkFault.Forged, (await _links.ReadAsync(good, Ct)).Fault);
        await _database.ExecuteAsync("UPDATE approval_links SET expires_at = @later WHERE username = 'bob'", Parameters.Of(("later", _time.GetUtcNow().AddDays(100))), Ct);
        Assert.Equal(LinkFault.Forged, (await _links.ReadAsync(bob, Ct)).Fault);
        // Another secret ends all links.
        await _database.RunAsync("UPDATE approval_links SET username = 'ada' WHERE username = 'vera'", Ct);
        Assert.Equal(LinkFault.None, (await _links.ReadAsync(good, Ct)).Fault);
        _options.LinkKey = new byte[32];
        Assert.Equal(LinkFault.Forged, (await _links.ReadAsync(good, Ct)).Fault);
    }

    [Fact]
    public async Task Neither_token_nor_signature_is_stored()
    {
        await AskAsync();
        await LookAsync();
        var mail = _mails.Sent.First(m => m.To == "ada@performancewest.net");
        Assert.Contains((string)mail.Values["link"]!, mail.Secrets);
        var signature = TokenFor("ada").Split('.')[1];
        foreach (var table in (string[])["approval_links", "approvals", "audit_log"])
        {
            var rows = await _database.QueryAsync($"SELECT * FROM {table}", Parameters.None, r => string.Join('|', Enumerable.Range(0, r.FieldCount).Select(i => r.GetValue(i).ToString())), Ct);
            Assert.NotEmpty(rows);
            Assert.All(rows, r => Assert.DoesNotContain(signature, r, StringComparison.Ordinal));
        }
    }

    private string TokenFor(string user)
    {
        var link = (string)_mails.Sent.Last(m => m.To == user + "@performancewest.net").Values["link"]!;
        Assert.StartsWith("https://pw.example.net/approvals/link?t=", link, StringComparison.Ordinal);
        return link["https://pw.example.net/approvals/link?t=".Length..];
    }

    private sealed class Mailbox : IMailSender
    {
        public List<MailToSend> Sent { get; } = [];

        public bool IsDown { get; set; }

        public IEnumerable<string> Readers() => Sent.Select(m => m.To.Split('@')[0]).Order(StringComparer.Ordinal);

        public Task<MailSent> SendAsync(MailToSend mail, CancellationToken ct)
        {
            if (IsDown) throw new IOException("the relay is down");
            Sent.Add(mail);
            return Task.FromResult(new MailSent("id", mail.To, "subject"));
        }
    }

    /// <summary>Which instances wait at which activity, and who was woken.</summary>
    private sealed class Engine : IWorkflowDispatcher, IWorkflowRuntime
    {
        private readonly Lock _gate = new();

        public Dictionary<string, string> Waiting { get; } = [];

        public List<string> Woken { get; } = [];

        public bool IsDown { get; set; }

        public Task<DispatchWorkflowResponse> DispatchAsync(DispatchResumeWorkflowsRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default)
        {
            if (IsDown) throw new IOException("the process is gone");
            Assert.Equal("Pw.RequestApproval", request.ActivityTypeName);
            Assert.NotNull(request.WorkflowInstanceId);
            lock (_gate) Woken.Add(((ApprovalStimulus)request.BookmarkPayload).ApprovalId);
            return Task.FromResult(DispatchWorkflowResponse.Success());
        }

        public ValueTask<IWorkflowClient> CreateClientAsync(string? workflowInstanceId, CancellationToken cancellationToken = default) => ValueTask.FromResult<IWorkflowClient>(new Client(this, workflowInstanceId!));

        public ValueTask<IWorkflowClient> CreateClientAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task<DispatchWorkflowResponse> DispatchAsync(DispatchWorkflowDefinitionRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task<DispatchWorkflowResponse> DispatchAsync(DispatchWorkflowInstanceRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task<DispatchWorkflowResponse> DispatchAsync(DispatchTriggerWorkflowsRequest request, DispatchWorkflowOptions? options = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();

        private sealed class Client(Engine engine, string instance) : IWorkflowClient
        {
            public string WorkflowInstanceId => instance;

            public Task<bool> InstanceExistsAsync(CancellationToken cancellationToken = default) => Task.FromResult(engine.Waiting.ContainsKey(instance));

            public Task<WorkflowState> ExportStateAsync(CancellationToken cancellationToken = default) => Task.FromResult(engine.Waiting[instance] == "!faulted"
                ? new WorkflowState { SubStatus = WorkflowSubStatus.Faulted }
                : new WorkflowState { SubStatus = WorkflowSubStatus.Suspended, Bookmarks = [new Bookmark("b", "Pw.RequestApproval", "", null, "a", "a", engine.Waiting[instance], DateTimeOffset.UnixEpoch)] });

            public Task<CreateWorkflowInstanceResponse> CreateInstanceAsync(CreateWorkflowInstanceRequest request, CancellationToken cancellationToken = default) => throw new NotSupportedException();

            public Task<RunWorkflowInstanceResponse> RunInstanceAsync(RunWorkflowInstanceRequest request, CancellationToken cancellationToken = default) => throw new NotSupportedException();

            public Task<RunWorkflowInstanceResponse> CreateAndRunInstanceAsync(CreateAndRunWorkflowInstanceRequest request, CancellationToken cancellationToken = default) => throw new NotSupportedException();

            public Task CancelAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();

            public Task ImportStateAsync(WorkflowState workflowState, CancellationToken cancellationToken = default) => throw new NotSupportedException();

            public Task<bool> DeleteAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();
        }
    }
}
