using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Commands;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Server.Pages;

namespace PwWorkflows.EndToEnd.Tests.Scheduling;

/// <summary>Schedules on a whole server whose clock moves when it is told to.</summary>
public abstract class ScheduleContract(Func<CancellationToken, Task<string?>> database) : ScheduleTest(database)
{
    [Fact]
    public async Task A_schedule_runs_once_at_its_time_and_never_before()
    {
        await PublishAsync(Definition("pw-daily", Cron("0 9 * * *", ("TimeZone", "America/Chicago"))));
        var nine = At("2026-04-06T14:00:00Z");
        Assert.Equal((nine, "active", "every day at 09:00", "America/Chicago"), ((await ShowAsync("pw-daily")).NextRunAt, (await ShowAsync("pw-daily")).State, (await ShowAsync("pw-daily")).Cadence, (await ShowAsync("pw-daily")).TimeZone));
        Clock.SetUtcNow(nine.AddMilliseconds(-1));
        var worker = Node.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>().OfType<ScheduleWorker>().Single();
        Assert.Equal(TimeSpan.FromMilliseconds(1), await worker.LookAsync(Ct));
        Assert.Empty(await RunsAsync("pw-daily"));

        Clock.SetUtcNow(nine.AddMilliseconds(250));
        await UntilAsync(async () => (await RunsAsync("pw-daily")) is [{ Outcome: "finished" }], "the run has finished");
        var run = Assert.Single(await RunsAsync("pw-daily"));
        Assert.Equal(("due", nine, nine, 1, nine, 250), (run.Cause, run.NominalAt, run.CoversFrom, run.Covers, run.DueAt, run.LateMs));
        Assert.Equal((false, false, (string?)null, 1, (string?)null), (run.CaughtUp, run.DryRun, run.Reason, run.Version, run.Error));
        Assert.NotNull(run.Node);
        Assert.NotNull(run.InstanceId);
        Assert.Equal((Now, Now), (run.StartedAt, run.EndedAt));
        Assert.Equal(new Note("pw-daily", nine, false, false, 1, Now), Assert.Single(await NotesAsync()));
        var shown = await ShowAsync("pw-daily");
        Assert.Equal((nine.AddDays(1), nine, "finished", 250), (shown.NextRunAt, shown.LastNominalAt, shown.LastOutcome, shown.LastLateMs));
        Assert.Equal((1, 0, 1), (shown.Finished, shown.Failed, shown.Counts["ran"]));
    }

    [Theory]
    [InlineData("Skip", "missed down 72 72")]
    [InlineData("RunOnce", "finished - 72 72 caught up")]
    [InlineData("RunEach", "missed limit 69 69, finished - 1 1 caught up, finished - 1 1 caught up, finished - 1 1 caught up")]
    public async Task Down_for_three_days_each_schedule_does_what_its_catch_up_says(string catchUp, string expected)
    {
        await PublishAsync(Definition("pw-hourly", Cron("30 * * * *", ("CatchUp", catchUp), ("CatchUpLimit", "3"))));
        await StopNodeAsync(Node);
        Clock.Advance(TimeSpan.FromDays(3));
        await StartNodeAsync();
        await SettledAsync("pw-hourly");
        var runs = await RunsAsync("pw-hourly");
        Assert.Equal(expected, string.Join(", ", runs.Select(r => $"{r.Outcome} {r.Reason ?? "-"} {r.Covers} {Math.Round((r.NominalAt - r.CoversFrom).TotalHours) + 1}{(r.CaughtUp ? " caught up" : "")}")));
        Assert.Equal(72, runs.Sum(r => r.Covers));
        Assert.Equal(At("2026-04-09T12:30:00Z"), (await ShowAsync("pw-hourly")).NextRunAt);
        // The console tells what was missed: the counters do, by reason.
        Assert.Equal(72, (await ShowAsync("pw-hourly")).Counts.Values.Sum());
        // What nothing made up for is on the overview.
        var needs = await Node.Services.GetServices<INeeds>().OfType<MissedNeeds>().Single().ReadAsync(Ct);
        Assert.Equal(catchUp switch { "Skip" => ["pw-hourly: 72 due times missed"], "RunEach" => ["pw-hourly: 69 due times missed"], _ => [] }, needs.First.Select(static n => n.Title));
    }

    [Fact]
    public async Task Missed_times_older_than_the_window_are_reported_and_not_run()
    {
        await PublishAsync(Definition("pw-hourly", Cron("30 * * * *", ("CatchUp", "RunEach"), ("CatchUpWindow", "02:00:00"))));
        await StopNodeAsync(Node);
        Clock.Advance(TimeSpan.FromHours(5));
        await StartNodeAsync();
        await SettledAsync("pw-hourly");
        Assert.Equal(["missed window 3", "finished  1", "finished  1"], (await RunsAsync("pw-hourly")).Select(r => $"{r.Outcome} {r.Reason} {r.Covers}"));
    }

    [Fact]
    public async Task Overlap_skip_skips_what_is_due_while_a_run_goes_on_and_says_so()
    {
        await PublishAsync(Definition("pw-minute", Cron("* * * * *"), Hang));
        await MinutesAsync(3, "pw-minute");
        Assert.Equal(["running ", "skipped overlap", "skipped overlap"], (await RunsAsync("pw-minute")).Select(r => $"{r.Outcome} {r.Reason}"));
        await GoOnAsync();
        await UntilAsync(async () => (await RunsAsync("pw-minute"))[0].Outcome == "finished", "it goes on");
        await MinutesAsync(1, "pw-minute");
        Assert.Equal(["finished", "skipped", "skipped", "running"], (await RunsAsync("pw-minute")).Select(r => r.Outcome));
        Assert.Equal((2, 2), ((await ShowAsync("pw-minute")).Counts["ran"], (await ShowAsync("pw-minute")).Counts["skipped overlap"]));
    }

    [Fact]
    public async Task Overlap_queue_one_lets_the_newest_wait()
    {
        await PublishAsync(Definition("pw-minute", Cron("* * * * *", ("Overlap", "QueueOne")), Hang));
        await MinutesAsync(3, "pw-minute");
        Assert.Equal(["running ", "skipped superseded", "waiting "], (await RunsAsync("pw-minute")).Select(r => $"{r.Outcome} {r.Reason}"));
        await GoOnAsync();
        await UntilAsync(async () => (await RunsAsync("pw-minute"))[2].Outcome == "running", "the waiting one starts");
        Assert.Equal("finished", (await RunsAsync("pw-minute"))[0].Outcome);
        Assert.Equal((1, 0), ((await ShowAsync("pw-minute")).Running, (await ShowAsync("pw-minute")).Waiting));
    }

    [Fact]
    public async Task Overlap_cancel_running_starts_the_new_run_when_the_old_one_has_stopped()
    {
        await PublishAsync(Definition("pw-minute", Cron("* * * * *", ("Overlap", "CancelRunning")), Hang));
        await MinutesAsync(1, "pw-minute");
        // One that is still in the queue would be cancelled a moment later, and this clock stands still.
        await UntilAsync(async () => (await Database.QueryAsync("SELECT count(*) FROM workflow_instances WHERE status = 'Suspended'", Parameters.None, static r => r.GetInt64(0), Ct))[0] == 1, "the first waits");
        Clock.Advance(TimeSpan.FromMinutes(1));
        await UntilAsync(async () => (await RunsAsync("pw-minute")) is [{ Outcome: "cancelled" }, { Outcome: "running" }], "the first is cancelled, the second runs");
    }

    [Fact]
    public async Task Overlap_allow_starts_runs_beside_each_other()
    {
        await PublishAsync(Definition("pw-minute", Cron("* * * * *", ("Overlap", "Allow")), Hang));
        await MinutesAsync(3, "pw-minute");
        await UntilAsync(async () => (await NotesAsync()).Count == 3, "three run");
        Assert.All(await RunsAsync("pw-minute"), r => Assert.Equal("running", r.Outcome));
        Assert.Equal(3, (await ShowAsync("pw-minute")).Running);
    }

    [Fact]
    public async Task A_run_that_hangs_past_its_deadline_raises_a_todo_that_closes_with_its_end()
    {
        await PublishAsync(Definition("pw-minute", Cron("0 * * * *", ("Deadline", "00:10:00")), Hang));
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await SettledAsync("pw-minute", running: true);
        Clock.Advance(TimeSpan.FromMinutes(9));
        Assert.Empty(await ToDosAsync("open"));
        Clock.Advance(TimeSpan.FromMinutes(1));
        await UntilAsync(async () => (await ToDosAsync("open")).Count == 1, "a ToDo is raised");
        var todo = Assert.Single(await ToDosAsync("open"));
        Assert.StartsWith("schedule-deadline pw-minute The run of pw-minute for 2026-04-06 13:00:00 UTC goes on since", todo, StringComparison.Ordinal);
        Assert.True(Assert.Single(await RunsAsync("pw-minute")).Alerted);
        await GoOnAsync();
        await UntilAsync(async () => (await ToDosAsync("open")).Count == 0, "the ToDo is closed");
    }

    [Fact]
    public async Task A_run_that_starts_later_than_its_deadline_is_told_of()
    {
        await PublishAsync(Definition("pw-minute", Cron("0 * * * *", ("Deadline", "00:00:20"))));
        Clock.SetUtcNow(At("2026-04-06T13:00:30Z"));
        await UntilAsync(async () => (await RunsAsync("pw-minute")) is [{ Outcome: "finished", Alerted: true }], "it ran, late");
        await UntilAsync(async () => await ToDosAsync("closed") is [var told] && told.Contains("started 30 seconds late", StringComparison.Ordinal), "it was told");
    }

    [Theory]
    [InlineData(AfterPause.Nothing, "skipped paused 5", 0)]
    [InlineData(AfterPause.Latest, "finished  5", 1)]
    [InlineData(AfterPause.All, "finished  1, finished  1, finished  1, finished  1, finished  1", 5)]
    public async Task Resuming_asks_what_to_do_with_what_was_missed(AfterPause choice, string expected, int notes)
    {
        await PublishAsync(Definition("pw-hourly", Cron("0 * * * *")));
        var paused = Assert.IsType<ScheduleCommandResult.Done>(await Book.PauseAsync("pw-hourly", "the vendor is down", "ann", Ct));
        Assert.Equal(("paused", "ann", "the vendor is down", (DateTimeOffset?)null), (paused.Schedule.State, paused.Schedule.PausedBy, paused.Schedule.PauseReason, paused.Schedule.NextRunAt));
        Assert.IsType<ScheduleCommandResult.Refused>(await Book.PauseAsync("pw-hourly", "again", "ann", Ct));
        Clock.Advance(TimeSpan.FromHours(5));
        Assert.Equal(5, await Book.CountPausedAsync("pw-hourly", Ct));
        Assert.Empty(await RunsAsync("pw-hourly"));
        var resumed = Assert.IsType<ScheduleCommandResult.Done>(await Book.ResumeAsync("pw-hourly", choice, "ann", Ct));
        Assert.Contains("5 due times passed meanwhile", resumed.Message, StringComparison.Ordinal);
        await SettledAsync("pw-hourly");
        Assert.Equal(expected, string.Join(", ", (await RunsAsync("pw-hourly")).Select(r => $"{r.Outcome} {r.Reason} {r.Covers}")));
        Assert.Equal(notes, (await NotesAsync()).Count);
        Assert.Equal(("active", At("2026-04-06T18:00:00Z")), ((await ShowAsync("pw-hourly")).State, (await ShowAsync("pw-hourly")).NextRunAt));
    }

    [Fact]
    public async Task A_schedule_of_which_nothing_finishes_for_two_periods_is_overdue_until_a_run_finishes()
    {
        Fails.On = true;
        await PublishAsync(Definition("pw-hourly", Cron("0 * * * *"), """,{"type":"Test.FailRun","id":"fail"}"""));
        for (var hour = 0; hour < 2; hour++)
        {
            Clock.SetUtcNow(At("2026-04-06T13:00:00Z").AddHours(hour));
            await SettledAsync("pw-hourly");
        }

        Clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal("active", (await ShowAsync("pw-hourly")).State);
        Assert.Empty(await Book.OverdueAsync(Ct));
        Clock.Advance(TimeSpan.FromMinutes(1));
        await UntilAsync(async () => (await ShowAsync("pw-hourly")).State == "overdue", "it is overdue");
        Assert.Equal("pw-hourly", Assert.Single(await Book.OverdueAsync(Ct)).Name);
        Assert.Contains(await ToDosAsync("open"), t => t.StartsWith("schedule-overdue pw-hourly The schedule pw-hourly (every hour at minute 0) is overdue: no run of it has finished yet", StringComparison.Ordinal));
        Assert.Equal(["failed The other side is down.", "failed The other side is down."], (await RunsAsync("pw-hourly")).Select(r => $"{r.Outcome} {r.Error}"));
        Assert.Equal(2, (await ShowAsync("pw-hourly")).Failed);

        Fails.On = false;
        Clock.SetUtcNow(At("2026-04-06T15:00:00Z"));
        await SettledAsync("pw-hourly");
        await UntilAsync(async () => (await ShowAsync("pw-hourly")).State == "active", "it is well again");
        Assert.DoesNotContain(await ToDosAsync("open"), t => t.StartsWith("schedule-overdue", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Run_now_obeys_the_overlap_policy_unless_forced_and_says_so()
    {
        await PublishAsync(Definition("pw-daily", Cron("0 9 * * *"), Hang));
        var first = Assert.IsType<ScheduleCommandResult.Done>(await Book.RunNowAsync("pw-daily", force: false, dryRun: false, "ann", Ct));
        Assert.Equal("pw-daily is started.", first.Message);
        await UntilAsync(async () => (await NotesAsync()).Count == 1, "it runs");
        var run = (await Book.FindRunAsync(first.RunId!, Ct))!;
        Assert.Equal(("manual", "running", false, 0, "ann"), (run.Cause, run.Outcome, run.DryRun, run.Covers, run.RequestedBy));

        var refused = Assert.IsType<ScheduleCommandResult.Refused>(await Book.RunNowAsync("pw-daily", force: false, dryRun: false, "ann", Ct));
        Assert.Contains("a run goes on since 2026-04-06 12:00:00 UTC, and its overlap policy is Skip", refused.Why, StringComparison.Ordinal);
        Clock.Advance(TimeSpan.FromSeconds(1));
        var forced = Assert.IsType<ScheduleCommandResult.Done>(await Book.RunNowAsync("pw-daily", force: true, dryRun: false, "ann", Ct));
        Assert.Contains("as you forced it", forced.Message, StringComparison.Ordinal);
        await UntilAsync(async () => (await NotesAsync()).Count == 2, "both run");
        await GoOnAsync();
        await SettledAsync("pw-daily");
        Assert.Equal("finished", (await Book.FindRunAsync(forced.RunId!, Ct))!.Outcome);
        // What was asked for is no due time: the next one stays.
        Assert.Equal(At("2026-04-07T09:00:00Z"), (await ShowAsync("pw-daily")).NextRunAt);
        Assert.IsType<ScheduleCommandResult.Missing>(await Book.RunNowAsync("pw-nothing", force: false, dryRun: false, "ann", Ct));
    }

    [Fact]
    public async Task Sweep_that_fails_fails_its_run_with_one_ToDo_a_step_and_the_history_tells_what_it_did()
    {
        Fails.On = true;
        await PublishAsync("""
            {"definitionId":"cold-wallet-sweep","id":"cold-wallet-sweep:1","name":"sweep","version":1,"root":{"type":"Elsa.Sequence","id":"s","activities":[
             {"type":"Elsa.WriteLine","id":"look","text":{"typeName":"String","expression":{"type":"Literal","value":"balances"}}},{"type":"Test.FailRun","id":"fail"}]}}
            """);
        await PublishAsync(await OfProductAsync("schedules/pw-cold-wallet-sweep"));
        for (var i = 0; i < 2; i++)
        {
            var (failed, lines) = await AskAsync("pw-cold-wallet-sweep", dryRun: false);
            Assert.Equal("failed", failed.Outcome);
            Assert.Contains("cold-wallet-sweep ended as Faulted", failed.Error, StringComparison.Ordinal);
            Assert.Contains("cold-wallet-sweep: look: Completed", lines);
            Assert.Contains("cold-wallet-sweep: faulted", lines);
            Assert.StartsWith("failed after", lines[^1], StringComparison.Ordinal);
        }

        Assert.Equal(["workflow-stopped:cold-wallet-sweep:fail pw-cold-wallet-sweep", "workflow-stopped:pw-cold-wallet-sweep:failed pw-cold-wallet-sweep"], (await ToDosAsync("open")).Select(static t => string.Join(' ', t.Split(' ')[..2])).Order(StringComparer.Ordinal));
        // One that is only asked what it would do settles nothing.
        Fails.On = false;
        Assert.Equal("finished", (await AskAsync("pw-cold-wallet-sweep", dryRun: true)).Run.Outcome);
        Assert.Equal(2, (await ToDosAsync("open")).Count);
        Assert.Equal("finished", (await AskAsync("pw-cold-wallet-sweep", dryRun: false)).Run.Outcome);
        Assert.Empty(await ToDosAsync("open"));
    }

    [Fact]
    public async Task Run_that_failed_and_is_retried_goes_on_as_the_same_run_and_holds_up_the_next_until_it_ends()
    {
        Fails.On = true;
        await PublishAsync(Definition("pw-hourly", Cron("0 * * * *", ("Deadline", "00:30:00")), """,{"type":"Test.FailRun","id":"fail"}""" + Hang));
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await UntilAsync(async () => (await RunsAsync("pw-hourly")) is [{ Outcome: "failed", Retries: 0 }], "it fails");
        Fails.On = false;
        Clock.Advance(TimeSpan.FromMinutes(45));
        var id = (await RunsAsync("pw-hourly"))[0].InstanceId!;
        Assert.Equal(InstanceCommandResult.Accepted, await Node.Services.GetRequiredService<IWorkflowAdmin>().RetryAsync(id, Ct));
        await UntilAsync(async () => (await RunsAsync("pw-hourly")) is [{ Outcome: "running", EndedAt: null, Error: null }] && Fails.Runs is not null, "it goes on");
        Assert.Equal("running", Fails.Runs); // Before it does anything.
        Assert.Equal((1, 0, "running"), ((await ShowAsync("pw-hourly")).Running, (await ShowAsync("pw-hourly")).Failed, (await ShowAsync("pw-hourly")).LastOutcome));
        await UntilAsync(async () => (await Database.QueryAsync("SELECT count(*) FROM schedule_runs WHERE alert_at > started_at", Parameters.None, static r => r.GetInt64(0), Ct))[0] == 1, "it has its deadline anew");

        // It goes on for longer than the deadline, and the next due time comes.
        Clock.SetUtcNow(At("2026-04-06T14:00:00Z"));
        await UntilAsync(async () => (await RunsAsync("pw-hourly")) is [{ Outcome: "running" }, { Outcome: "skipped", Reason: "overlap" }], "it holds up the next");
        Assert.DoesNotContain(await ToDosAsync("open"), static t => t.StartsWith("schedule-deadline", StringComparison.Ordinal));
        Clock.SetUtcNow(At("2026-04-06T14:20:00Z"));
        await UntilAsync(async () => (await ToDosAsync("open")).Exists(static t => t.StartsWith("schedule-deadline", StringComparison.Ordinal)), "it is past its deadline");
        await GoOnAsync();
        await UntilAsync(async () => (await RunsAsync("pw-hourly"))[0].Outcome == "finished", "it ends well");

        var run = (await RunsAsync("pw-hourly"))[0];
        Assert.Equal((1, At("2026-04-06T13:45:00Z"), At("2026-04-06T13:00:00Z"), "The other side is down.", (string?)null), (run.Retries, run.RetriedAt, run.FailedAt, run.Failure, run.Error));
        Assert.Equal(35 * 60_000, run.DurationMs);
        var shown = await ShowAsync("pw-hourly");
        Assert.Equal((0, 1, 0, 1, 1), (shown.Running, shown.Finished, shown.Failed, shown.Counts["ran"], shown.Counts["skipped overlap"]));
        var log = (await Node.Services.GetRequiredService<ScheduleHistory>().LinesAsync(run, Ct)).Select(static l => l.Text).ToList();
        Assert.Equal(
            ["started for 2026-04-06 13:00:00 UTC, 0 ms late", "fail: Faulted: The other side is down.", "failed: The other side is down.", "told to go on (retry 1)", "fail: Completed", "finished after 35 minutes, 1 retry"],
            log.Where(static l => l.StartsWith("fail", StringComparison.Ordinal) || l.Contains("tart", StringComparison.Ordinal) || l.Contains("retry", StringComparison.Ordinal)));
        await UntilAsync(async () => (await ToDosAsync("open")).Count == 0, "nothing is left to do");
    }

    [Fact]
    public async Task Runs_that_failed_are_stuck_until_a_later_one_finishes_and_are_one_thing_to_do()
    {
        Fails.On = true;
        await PublishAsync(Definition("pw-minute", Cron("* * * * *"), """,{"type":"Test.FailRun","id":"fail"}"""));
        for (var minute = 1; minute <= 3; minute++)
        {
            Clock.Advance(TimeSpan.FromMinutes(1));
            await UntilAsync(async () => (await RunsAsync("pw-minute")).Count(static r => r.Outcome == "failed") == minute, "it fails");
        }

        var needs = await StuckAsync();
        Assert.Equal((1, "3 × pw-minute at fail"), (needs.Count, Assert.Single(needs.First).Title));
        // A dry run makes up for nothing.
        Fails.On = false;
        await AskAsync("pw-minute", dryRun: true);
        Assert.Equal(1, (await StuckAsync()).Count);
        await MinutesAsync(1, "pw-minute");
        await UntilAsync(async () => (await StuckAsync()).Count == 0, "the next run did the work anew");
        Assert.Empty(await Database.QueryAsync("SELECT instance_id FROM stuck_instances", Parameters.None, static r => r.GetString(0), Ct));
        Assert.Empty(await ToDosAsync("open"));

        Task<NeedsOfSection> StuckAsync() => Node.Services.GetServices<INeeds>().OfType<StuckNeeds>().Single().ReadAsync(Ct);
    }

    [Fact]
    public async Task Job_ends_while_its_mails_wait_for_the_mail_hours_and_its_dry_run_tells_of_them_at_any_hour()
    {
        // It is 07:00 in Chicago; mail to customers begins at 08:00.
        await PublishAsync(await OfProductAsync("mails/mail-renewal-notices"));
        await PublishAsync(await OfProductAsync("schedules/pw-renewal-worker"));
        var (dry, told) = await AskAsync("pw-renewal-worker", dryRun: true);
        Assert.Equal("finished", dry.Outcome);
        Assert.Contains(told, static l => l.StartsWith("mail-renewal-notices: findNotices: no ", StringComparison.Ordinal));
        Assert.Equal("finished", (await AskAsync("pw-renewal-worker", dryRun: false)).Run.Outcome);
        await UntilAsync(async () => (await MailsAsync()).SequenceEqual(["Finished", "Suspended"]), "the mails wait");
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await UntilAsync(async () => (await MailsAsync()).SequenceEqual(["Finished", "Finished"]), "the mails have gone out");

        Task<List<string>> MailsAsync() => Database.QueryAsync("SELECT status FROM workflow_instances WHERE definition_id = 'mail-renewal-notices' ORDER BY status", Parameters.None, static r => r.GetString(0), Ct);
    }

    [Fact]
    public async Task History_since_a_time_is_whole_and_one_that_is_cut_says_so()
    {
        await PublishAsync(Definition("pw-job", Cron("0 9 * * *")));
        await AskAsync("pw-job", dryRun: false);
        await ExecuteAsync("""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
            INSERT INTO schedule_runs (id, schedule_id, cause, nominal_at, covers_from, covers, due_at, outcome, caught_up, dry_run, started_at, ended_at, alerted, created_at)
            SELECT 'run-' || n.i, r.schedule_id, 'manual', r.nominal_at, r.covers_from, 0, r.due_at, 'finished', r.caught_up, r.dry_run, r.started_at, r.ended_at, r.alerted, r.created_at FROM n, schedule_runs r WHERE r.outcome = 'finished'
            """);
        var id = (await ShowAsync("pw-job")).Id;
        var (all, cut) = await ScheduleCommands.NewestAsync(Book, id, ScheduleCommands.When("1 day ago", Now), ScheduleCommands.MostRuns, Ct);
        Assert.Equal((1201, 1201, false), (all.Count, all.DistinctBy(static r => r.Id).Count(), cut));
        Assert.Equal((50, true), await ScheduleCommands.NewestAsync(Book, id, null, 50, Ct) is var (few, more) ? (few.Count, more) : default);
        Assert.Empty((await ScheduleCommands.NewestAsync(Book, id, Now.AddDays(1), ScheduleCommands.MostRuns, Ct)).Runs);
    }

    /// <summary>The text of a definition of the product.</summary>
    private static Task<string> OfProductAsync(string path) => File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "workflows", path + ".json"), Ct);

    /// <summary>Asks for a run and waits for its end; what its history tells.</summary>
    private async Task<(ScheduleRunView Run, IReadOnlyList<string> Lines)> AskAsync(string name, bool dryRun)
    {
        var id = Assert.IsType<ScheduleCommandResult.Done>(await Book.RunNowAsync(name, force: false, dryRun, "ann", Ct)).RunId!;
        await UntilAsync(async () => (await Book.FindRunAsync(id, Ct))!.EndedAt is not null, $"{name} ends");
        var run = (await Book.FindRunAsync(id, Ct))!;
        return (run, [.. (await Node.Services.GetRequiredService<ScheduleHistory>().LinesAsync(run, Ct)).Select(static l => l.Text)]);
    }

    [Fact]
    public async Task Publishing_another_cadence_takes_effect_at_once_and_loses_nothing_that_was_due()
    {
        await PublishAsync(Definition("pw-job", Cron("0 13 * * *")));
        Assert.Equal(At("2026-04-06T13:00:00Z"), (await ShowAsync("pw-job")).NextRunAt);
        await PublishAsync(Definition("pw-job", Cron("0 15 * * *", ("TimeZone", "Europe/Berlin"))));
        Assert.Equal((At("2026-04-06T13:00:00Z"), 2), ((await ShowAsync("pw-job")).NextRunAt, (await ShowAsync("pw-job")).Version));
        await PublishAsync(Definition("pw-job", Cron("30 13 * * *")));
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await SettledAsync("pw-job");
        Assert.Empty(await RunsAsync("pw-job"));
        Clock.SetUtcNow(At("2026-04-06T13:30:00Z"));
        await UntilAsync(async () => (await RunsAsync("pw-job")) is [{ Outcome: "finished", Version: 3 }], "it runs at the new time");

        // Edited in the very moment it is due, before any node looked: that due time is still served.
        Node.Line.Freeze();
        Clock.SetUtcNow(At("2026-04-07T13:30:00Z"));
        Node.Line.Thaw();
        await PublishAsync(Definition("pw-job", Cron("0 18 * * *")));
        await UntilAsync(async () => (await RunsAsync("pw-job")) is [_, { Outcome: "finished" }], "the due time of the old cadence is served");
        Assert.Equal(At("2026-04-07T13:30:00Z"), (await RunsAsync("pw-job"))[1].NominalAt);
        Assert.Equal(At("2026-04-07T18:00:00Z"), (await ShowAsync("pw-job")).NextRunAt);
    }

    [Fact]
    public async Task Retracted_and_deleted_definitions_run_no_more_and_their_history_stays()
    {
        var publisher = Node.Services.GetRequiredService<DefinitionPublisher>();
        await PublishAsync(Definition("pw-job", Cron("0 * * * *")));
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await SettledAsync("pw-job");
        Assert.True(await publisher.RetractAsync("pw-job", Ct));
        Assert.Equal(("retired", (DateTimeOffset?)null), ((await ShowAsync("pw-job")).State, (await ShowAsync("pw-job")).NextRunAt));
        Assert.Empty(await Book.ListAsync(retired: false, Ct));
        Clock.Advance(TimeSpan.FromHours(3));
        Assert.IsType<ScheduleCommandResult.Refused>(await Book.RunNowAsync("pw-job", force: true, dryRun: false, "ann", Ct));
        // Published again it counts from now, and keeps its history.
        await publisher.PublishVersionAsync("pw-job", null, Ct);
        Assert.Equal(("active", At("2026-04-06T17:00:00Z")), ((await ShowAsync("pw-job")).State, (await ShowAsync("pw-job")).NextRunAt));
        Assert.Single(await RunsAsync("pw-job"));
        Assert.True(await publisher.DeleteAsync("pw-job", Ct));
        Assert.Equal("retired", (await ShowAsync("pw-job")).State);
        Assert.Single(await RunsAsync("pw-job"));
    }

    [Fact]
    public async Task A_definition_may_hold_several_schedules()
    {
        await PublishAsync(Definition("pw-job", [("morning", Cron("0 13 * * *")), ("evening", Cron("0 20 * * *"))]));
        Assert.Equal(["pw-job:evening", "pw-job:morning"], (await Book.ListAsync(retired: false, Ct)).Select(s => s.Name).Order());
        Clock.SetUtcNow(At("2026-04-06T13:00:00Z"));
        await SettledAsync("pw-job:morning");
        Clock.SetUtcNow(At("2026-04-06T20:00:00Z"));
        await SettledAsync("pw-job:evening");
        Assert.Equal(["pw-job:morning", "pw-job:evening"], (await NotesAsync()).Select(n => n.Schedule));
        await PublishAsync(Definition("pw-job", [("morning", Cron("0 13 * * *"))]));
        Assert.Equal("pw-job", Assert.Single(await Book.ListAsync(retired: false, Ct)).Name);
        Assert.Single(await RunsAsync("pw-job"));
    }

    [Fact]
    public async Task What_is_wrong_is_refused_at_publish_with_its_field_and_a_right_example()
    {
        var publisher = Node.Services.GetRequiredService<DefinitionPublisher>();
        var bad = Definition("pw-bad", Cron("61 9 * * *", ("TimeZone", "America/Chikago"), ("Interval", "1.00:00:00")));
        var refused = await Assert.ThrowsAsync<DefinitionInvalidException>(() => PublishAsync(bad));
        Assert.Equal(["Cron", "Interval", "TimeZone"], refused.Problems.Select(p => p.Property).Order());
        Assert.Contains(refused.Problems, p => p is { ActivityId: "schedule", ActivityType: "Pw.Schedule", Property: "Cron" } && p.Message.Contains("'0 9 * * *'", StringComparison.Ordinal));
        Assert.Contains(refused.Problems, p => p.Property == "TimeZone" && p.Message.Contains("'America/Chicago'", StringComparison.Ordinal));
        // The linter says the same without a database.
        Assert.Equal(refused.Problems.Select(p => p.Property).Order(), publisher.Check(bad).Select(p => p.Property).Order());
        Assert.Empty(await Book.ListAsync(retired: true, Ct));

        var inside = """{"definitionId":"pw-in","id":"x","name":"pw-in","version":1,"root":{"type":"Elsa.Sequence","id":"s","activities":[{"type":"Pw.Schedule","id":"t","cron":{"typeName":"String","expression":{"type":"Literal","value":"0 9 * * *"}}}]}}""";
        Assert.Contains("starts its workflow", Assert.Single((await Assert.ThrowsAsync<DefinitionInvalidException>(() => PublishAsync(inside))).Problems).Message, StringComparison.Ordinal);
        var unknown = await Assert.ThrowsAsync<DefinitionInvalidException>(() => PublishAsync(Definition("pw-bad", Cron("0 9 * * *", ("Overlap", "Perhaps")))));
        Assert.Equal("Overlap", Assert.Single(unknown.Problems).Property);
    }

    [Fact]
    public async Task A_switched_off_schedule_is_never_due_and_counts_from_when_it_is_switched_on()
    {
        await PublishAsync(Definition("pw-job", Cron("0 * * * *", ("Enabled", "false"))));
        Assert.Equal("disabled", (await ShowAsync("pw-job")).State);
        Clock.Advance(TimeSpan.FromHours(3));
        await PublishAsync(Definition("pw-job", Cron("0 * * * *", ("Enabled", "true"))));
        Assert.Equal(("active", At("2026-04-06T16:00:00Z")), ((await ShowAsync("pw-job")).State, (await ShowAsync("pw-job")).NextRunAt));
        Assert.Empty(await RunsAsync("pw-job"));
    }

    [Fact]
    public async Task An_interval_without_an_anchor_counts_from_its_first_publication_whatever_else_changes()
    {
        await PublishAsync(Definition("pw-job", new Dictionary<string, string> { ["Interval"] = "00:20:00" }));
        Clock.Advance(TimeSpan.FromMinutes(15));
        await PublishAsync(Definition("pw-job", new Dictionary<string, string> { ["Interval"] = "00:20:00", ["Deadline"] = "00:05:00" }));
        Assert.Equal(At("2026-04-06T12:20:00Z"), (await ShowAsync("pw-job")).NextRunAt);
        Clock.Advance(TimeSpan.FromMinutes(5));
        await SettledAsync("pw-job");
        Assert.Equal(At("2026-04-06T12:40:00Z"), (await ShowAsync("pw-job")).NextRunAt);
    }

    [Fact]
    public async Task A_run_whose_instance_was_deleted_does_not_hold_up_the_next()
    {
        await PublishAsync(Definition("pw-minute", Cron("* * * * *"), Hang));
        await MinutesAsync(1, "pw-minute");
        var run = Assert.Single(await RunsAsync("pw-minute"));
        await UntilAsync(async () => (await NotesAsync()).Count == 1, "it runs");
        await Node.Services.GetRequiredService<Engine.Storage.IEngineStore>().DeleteInstancesAsync([run.InstanceId!], Ct);
        Clock.Advance(TimeSpan.FromSeconds(45));
        await SettledAsync("pw-minute");
        Assert.Contains("its workflow instance is not there", Assert.Single(await RunsAsync("pw-minute")).Error, StringComparison.Ordinal);
        await MinutesAsync(1, "pw-minute");
        Assert.Equal(["failed", "running"], (await RunsAsync("pw-minute")).Select(r => r.Outcome));
    }

    protected async Task MinutesAsync(int count, string name)
    {
        for (var i = 0; i < count; i++)
        {
            Clock.Advance(TimeSpan.FromMinutes(1));
            await UntilAsync(async () => (await ShowAsync(name)).NextRunAt > Now, "the clock is followed");
        }
    }

    protected Task<List<string>> ToDosAsync(string status) => Database.QueryAsync(
        "SELECT marker, order_number, instructions FROM admin_todos WHERE status = @status ORDER BY id", Parameters.Of(("status", status)), static r => $"{r.GetString(0)} {r.GetString(1)} {r.GetString(2)}", Ct);
}

/// <summary>On SQLite, with what is the same on both databases.</summary>
public sealed partial class SqliteScheduleTests() : ScheduleContract(_ => Task.FromResult<string?>(null))
{
    [GeneratedRegex("```json\n(\\{ \"definitionId\".*?)\n```", RegexOptions.Singleline)]
    private static partial Regex JsonOfReadme();

    private string Schedules => Directory.CreateDirectory(Path.Combine(Settings["PW_WORKFLOWS"], "schedules")).FullName;

    [Fact]
    public async Task The_file_that_the_README_shows_is_a_schedule_after_the_next_start()
    {
        var text = JsonOfReadme().Match(await File.ReadAllTextAsync(Path.Combine(S3Server.Root(), "README.md"), Ct)).Groups[1].Value;
        Assert.InRange(text.Split('\n').Length, 3, 10);
        await File.WriteAllTextAsync(Path.Combine(Schedules, "pw-my-job.json"), text, Ct);
        await StopNodeAsync(Node);
        await StartNodeAsync();
        var nine = At("2026-04-06T14:00:00Z"); // In Chicago.
        var shown = await ShowAsync("pw-my-job");
        Assert.Equal(("active", nine, "every day at 09:00", "America/Chicago"), (shown.State, shown.NextRunAt, shown.Cadence, shown.TimeZone));
        Clock.SetUtcNow(nine);
        await UntilAsync(async () => (await RunsAsync("pw-my-job")) is [{ Outcome: "finished" }], "it has run");
        Assert.Contains("work: Completed", (await Node.Services.GetRequiredService<ScheduleHistory>().LinesAsync((await RunsAsync("pw-my-job"))[0], Ct)).Select(static l => l.Text));
    }

    [Fact]
    public async Task A_drawn_schedule_that_is_exported_into_a_file_is_the_same_schedule_wherever_the_file_is_loaded()
    {
        // As the designer sends it, boxes and all.
        var drawn = JsonNode.Parse(Definition("pw-drawn", Cron("15 0 9 * * *", ("TimeZone", "America/Chicago"), ("CatchUp", "RunEach"), ("CatchUpLimit", "3"), ("CatchUpWindow", "2.00:00:00"), ("Overlap", "QueueOne"), ("Jitter", "00:00:30"), ("Deadline", "00:20:00"))))!;
        foreach (var activity in drawn["root"]!["activities"]!.AsArray()) activity!["metadata"] = JsonNode.Parse("""{"designer":{"position":{"x":40,"y":-20.5},"size":{"width":200,"height":50}},"displayText":"By hand"}""");
        var token = await Api.TokenAsync(Node.Http, "admin", "admin", Ct);
        using (var saved = await Api.SendAsync(Node.Http, HttpMethod.Post, "/elsa/api/workflow-definitions", token, new { model = drawn, publish = true }, Ct)) Assert.True(saved.IsSuccessStatusCode, await saved.Content.ReadAsStringAsync(Ct));
        var before = await ShowAsync("pw-drawn");
        Assert.Equal(("active", "RunEach", "QueueOne", "00:00:30", "00:20:00"), (before.State, before.CatchUp, before.Overlap, before.Jitter, before.Deadline));
        var export = (await Api.GetAsync(Node.Http, "/elsa/api/workflow-definitions/pw-drawn/export", token, Ct)).GetRawText();
        var file = await FileAsync();

        Assert.True(await Node.Services.GetRequiredService<DefinitionPublisher>().DeleteAsync("pw-drawn", Ct));
        Assert.Equal("retired", (await ShowAsync("pw-drawn")).State);
        await File.WriteAllTextAsync(Path.Combine(Schedules, "pw-drawn.json"), export, Ct);
        await StopNodeAsync(Node);
        await StartNodeAsync();
        var after = await ShowAsync("pw-drawn");
        Assert.Equal(before with { Counts = after.Counts }, after);
        Assert.Equal(file, await FileAsync());

        async Task<string> FileAsync() => Assert.Single(await Node.Services.GetRequiredService<IWorkflowAdmin>().ExportAsync(Ct)).Content;
    }

    [Fact]
    public async Task Resuming_on_a_terminal_asks_about_what_was_missed_with_its_count_and_elsewhere_does_nothing_about_it()
    {
        await PublishAsync(Definition("pw-daily", Cron("0 9 * * *")));
        string[] resume = ["schedules", "resume", "pw-daily", "--reason", "it is back", "--data", DataFolder];
        await PauseAsync();
        // The machine's clock is months ahead of this server's: that many days.
        var asked = await Pw.RunOnTerminalAsync(resume, Settings, "perhaps\nlatest\n", Ct);
        var count = QuestionCount().Match(asked.Output).Groups[1].Value;
        Assert.True(asked.ExitCode == 0 && count.Length > 0, asked.Output);
        Assert.Contains("Skip them (nothing), run once for all (latest), or run each (all)? [nothing]", asked.Output, StringComparison.Ordinal);
        Assert.Contains("Expected nothing, latest or all, found 'perhaps'.", asked.Output, StringComparison.Ordinal);
        Assert.Contains($"pw-daily is resumed; {count} due times passed meanwhile: one run makes up for all.", asked.Output, StringComparison.Ordinal);

        await PauseAsync();
        var silent = await Pw.RunAsync(resume, Settings, Ct);
        Assert.Equal(0, silent.ExitCode);
        Assert.DoesNotContain("Skip them", silent.Output, StringComparison.Ordinal);
        Assert.Contains($"{count} due times passed meanwhile: nothing is done about them.", silent.Output, StringComparison.Ordinal);
        Assert.Single(await RunsAsync("pw-daily"), r => r is { Outcome: "skipped", Reason: "paused" } && r.Covers.ToString(CultureInfo.InvariantCulture) == count);

        async Task PauseAsync()
        {
            Assert.IsType<ScheduleCommandResult.Done>(await Book.PauseAsync("pw-daily", "test", "ann", Ct));
            await ExecuteAsync("DELETE FROM schedule_runs");
            await ExecuteAsync("UPDATE schedules SET cursor_at = '2026-04-06 12:00:00+00:00', waiting = 0, running = 0");
        }
    }

    [GeneratedRegex("([0-9]+) due times passed while it was paused")]
    private static partial Regex QuestionCount();
}

/// <summary>What is asked when a schedule is resumed.</summary>
public sealed class ScheduleQuestionTests
{
    [Theory]
    [InlineData("", AfterPause.Nothing, 1)]
    [InlineData("\n", AfterPause.Nothing, 1)]
    [InlineData("nothing\n", AfterPause.Nothing, 1)]
    [InlineData(" latest \n", AfterPause.Latest, 1)]
    [InlineData("all\n", AfterPause.All, 1)]
    [InlineData("each\nAll\nall\n", AfterPause.All, 3)]
    [InlineData("each\n\nall\n", AfterPause.Nothing, 2)]
    public void An_answer_that_is_none_is_asked_for_again_and_no_answer_is_to_do_nothing(string typed, AfterPause expected, int asked)
    {
        using var output = new StringWriter();
        Assert.Equal(expected, ScheduleCommands.AskMissed(1, new StringReader(typed), output));
        Assert.StartsWith("1 due time passed while it was paused. Skip it (nothing)", output.ToString(), StringComparison.Ordinal);
        Assert.Equal(asked, output.ToString().Split("[nothing]").Length - 1);
    }
}

/// <summary>On PostgreSQL.</summary>
public sealed class PostgresScheduleTests(PostgresFixture postgres) : ScheduleContract(async ct => await (await postgres.ServerAsync(ct)).CreateDatabaseAsync(ct));
