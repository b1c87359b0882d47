using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using PwWorkflows.Activities.Records;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Endpoints;

namespace PwWorkflows.Server.Commands;

/// <summary><c>schedules</c>: reads like <c>systemctl list-timers</c> and <c>journalctl -u</c>.</summary>
internal static partial class ScheduleCommands
{
    private const string Actor = "command-line";
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    /// <summary>Most runs of one history: a month of a schedule that runs every five minutes.</summary>
    internal const int MostRuns = 10_000;
    private const int PageOfRuns = 1000;

    /// <summary>A thousand years: more than anybody looks back or ahead, and less than the calendar has.</summary>
    private const double MostDays = 365_000;

    public static Command Schedules() => new("schedules", "What runs by the clock.") { List(), Show(), History(), Preview(), Run(), Pause(), Resume() };

    private static Argument<string> Name() => new("name") { Description = "Name of the schedule, from pw schedules list." };

    private static Command List()
    {
        var all = new Option<bool>("--all") { Description = "Also those whose workflow is no longer published." };
        var list = new Command("list", "List the schedules, the next one first.") { all, CommandLine.Json };
        list.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var book = services.GetRequiredService<ScheduleBook>();
            var schedules = await book.ListAsync(parsed.GetValue(all), ct).ConfigureAwait(false);
            var now = await book.NowAsync(ct).ConfigureAwait(false);
            Output.List(parsed.GetValue(CommandLine.Json), schedules,
                ("NEXT", s => s.NextRunAt is { } next ? Local(next, s.ToCadence().Zone) : "-"), ("LEFT", s => s.NextRunAt is { } next ? next > now ? CadenceWords.Rough(next - now) + " left" : "now" : "-"),
                ("LAST", s => s.LastRunAt is { } last ? Local(last, s.ToCadence().Zone) : "-"), ("PASSED", s => s.LastRunAt is { } last ? CadenceWords.Rough(now - last) + " ago" : "-"),
                ("NAME", static s => s.Name), ("STATE", static s => s.State + (s.LastOutcome is "failed" ? ", last failed" : s.Running > 0 ? ", running" : "")), ("ZONE", static s => s.TimeZone));
            return CommandLine.Done;
        }));
        return list;
    }

    private static Command Show()
    {
        var name = Name();
        var show = new Command("show", "Show a schedule: its cadence, rules, state and counters.") { name, CommandLine.Json };
        show.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var book = services.GetRequiredService<ScheduleBook>();
            if (await book.FindAsync(parsed.GetValue(name)!, ct).ConfigureAwait(false) is not { } s) return await MissingAsync(parsed.GetValue(name)!).ConfigureAwait(false);
            if (parsed.GetValue(CommandLine.Json))
            {
                Output.Json(s);
                return CommandLine.Done;
            }

            var zone = s.ToCadence().Zone;
            Console.Out.WriteLine($"{s.Name}: {s.Cadence} ({(s.Cron is null ? $"interval {s.Interval}, anchor {Output.Time(s.Anchor)}" : $"cron '{s.Cron}', {s.TimeZone}")}), {s.State}");
            if (s.PausedAt is not null) Console.Out.WriteLine($"paused since {Output.Time(s.PausedAt)} by {s.PausedBy}: {s.PauseReason}; {await book.CountPausedAsync(s.Name, ct).ConfigureAwait(false)} due time(s) passed since");
            Console.Out.WriteLine($"next {(s.NextRunAt is { } next ? Local(next, zone) : "never")}, last {(s.LastRunAt is { } last ? $"{Local(last, zone)} ({s.LastOutcome})" : "never")}");
            Console.Out.WriteLine($"catch-up {s.CatchUp}, overlap {s.Overlap}, jitter {s.Jitter ?? "none"}, deadline {s.Deadline ?? "none"}, version {s.Version.ToString(CultureInfo.InvariantCulture)} of {s.DefinitionId}");
            Console.Out.WriteLine($"running {s.Running.ToString(CultureInfo.InvariantCulture)}, waiting {s.Waiting.ToString(CultureInfo.InvariantCulture)}; finished {s.Finished.ToString(CultureInfo.InvariantCulture)}, failed {s.Failed.ToString(CultureInfo.InvariantCulture)}, cancelled {s.Cancelled.ToString(CultureInfo.InvariantCulture)}");
            Console.Out.WriteLine("due times: " + (s.Counts.Count == 0 ? "none yet" : string.Join(", ", s.Counts.OrderBy(static c => c.Key, StringComparer.Ordinal).Select(static c => $"{c.Key.Replace('_', ' ')} {c.Value.ToString(CultureInfo.InvariantCulture)}"))));
            return CommandLine.Done;
        }));
        return show;
    }

    private static Command History()
    {
        var name = Name();
        var since = new Option<string?>("--since") { Description = "Only since then: '1 day ago', '2 hours ago', today, yesterday, or a time such as 2026-11-24T12:00Z.", HelpName = "WHEN" };
        var take = OrderCommands.Take();
        var history = new Command("history", "Print the log of a schedule's runs, oldest first.") { name, since, take, CommandLine.Json };
        history.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var book = services.GetRequiredService<ScheduleBook>();
            if (await book.FindAsync(parsed.GetValue(name)!, ct).ConfigureAwait(false) is not { } s) return await MissingAsync(parsed.GetValue(name)!).ConfigureAwait(false);
            var now = await book.NowAsync(ct).ConfigureAwait(false);
            DateTimeOffset? from = parsed.GetValue(since) is { } text ? When(text, now) : null;
            // What is asked for by its time is shown whole; else the newest few.
            var most = from is null || parsed.GetResult(take) is { Implicit: false } ? parsed.GetValue(take) : MostRuns;
            var (runs, cut) = await NewestAsync(book, s.Id, from, most, ct).ConfigureAwait(false);
            runs.Reverse();
            if (cut) await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"pw: only the newest {most} runs are shown, there are more; {(most == MostRuns ? "a later --since shows those of a shorter time whole" : "--take shows more of them, --since all since a time")}")).ConfigureAwait(false);
            var log = services.GetRequiredService<ScheduleHistory>();
            if (parsed.GetValue(CommandLine.Json))
            {
                var all = new List<object>();
                foreach (var run in runs) all.Add(new { run, log = await log.LinesAsync(run, ct).ConfigureAwait(false) });
                Output.Json(all);
                return CommandLine.Done;
            }

            foreach (var run in runs)
                foreach (var line in await log.LinesAsync(run, ct).ConfigureAwait(false))
                    Console.Out.WriteLine(Line(run, line));
            if (runs.Count == 0) Console.Out.WriteLine("-- No entries --");
            return CommandLine.Done;
        }));
        return history;
    }

    /// <summary>The newest runs since a time, page by page, and whether there are more.</summary>
    internal static async Task<(List<ScheduleRunView> Runs, bool Cut)> NewestAsync(ScheduleBook book, string schedule, DateTimeOffset? since, int most, CancellationToken ct)
    {
        var runs = new List<ScheduleRunView>();
        var known = new HashSet<string>(StringComparer.Ordinal);
        for (var skip = 0; ;)
        {
            var take = Math.Min(PageOfRuns, most + 1 - skip);
            var page = await book.RunsAsync(schedule, since, null, take, ct, skip).ConfigureAwait(false);
            // A run that began meanwhile moves the others on to the next page.
            runs.AddRange(page.Where(r => known.Add(r.Id)));
            skip += page.Count;
            if (page.Count < take || skip > most) break;
        }

        var cut = runs.Count > most;
        if (cut) runs.RemoveRange(most, runs.Count - most);
        return (runs, cut);
    }

    private static Command Preview()
    {
        var name = new Argument<string?>("name") { Description = "Name of a schedule; or give --cron or --interval.", Arity = ArgumentArity.ZeroOrOne };
        var cron = new Option<string?>("--cron") { Description = "A cron expression of five fields, or six with seconds in front." };
        var zone = new Option<string?>("--zone") { Description = "IANA zone of the cron fields, such as America/Chicago; default UTC." };
        var interval = new Option<string?>("--interval") { Description = "An interval such as 7.00:00:00, instead of cron.", HelpName = "SPAN" };
        var anchor = new Option<string?>("--anchor") { Description = "A due time of the interval, such as 2026-01-05T06:00:00Z; default now.", HelpName = "TIME" };
        var span = new Option<string>("--for") { Description = "How far ahead: such as 12h, 30d, 8w or 1y.", DefaultValueFactory = static _ => "30d", HelpName = "SPAN" };
        var preview = new Command("preview", "List the coming runs of a schedule, or of a cadence that you think of.") { name, cron, zone, interval, anchor, span, CommandLine.Json };
        preview.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var book = services.GetRequiredService<ScheduleBook>();
            var given = parsed.GetValue(name);
            if (given is null == (parsed.GetValue(cron) ?? parsed.GetValue(interval)) is null) throw new WrongUseException("expected a schedule's name, or --cron or --interval");
            // A cadence alone needs no database.
            var now = given is null ? services.GetRequiredService<TimeProvider>().GetUtcNow() : await book.NowAsync(ct).ConfigureAwait(false);
            Cadence cadence;
            string words;
            if (given is not null)
            {
                if (await book.FindAsync(given, ct).ConfigureAwait(false) is not { } s) return await MissingAsync(given).ConfigureAwait(false);
                (cadence, words) = (s.ToCadence(), s.Cadence);
            }
            else
            {
                TimeSpan? every = parsed.GetValue(interval) is not { } text ? null : TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var length) ? length : throw new WrongUseException($"--interval: expected a length of time such as 7.00:00:00, found '{text}'");
                DateTimeOffset? from = parsed.GetValue(anchor) is not { } time ? null : DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : throw new WrongUseException($"--anchor: expected a time such as 2026-01-05T06:00:00Z, found '{time}'");
                var settings = ScheduleSettings.OfCadence(parsed.GetValue(cron), parsed.GetValue(zone), every, from);
                if (settings.Problems(now) is { Count: > 0 } problems) throw new WrongUseException(string.Join("; ", problems.Select(static p => $"--{p.Field switch { "TimeZone" => "zone", var f => f.ToLower(CultureInfo.InvariantCulture) }}: {p.Message}")));
                (cadence, words) = (settings.ToCadence(now), CadenceWords.Of(settings));
            }

            var runs = ScheduleHistory.Coming(cadence, now, now + Ahead(parsed.GetValue(span)!), 100_000);
            if (!parsed.GetValue(CommandLine.Json)) Console.Out.WriteLine($"{words}, {cadence.Zone.Id}. {Cadence.DaylightSavingRule}");
            Output.List(parsed.GetValue(CommandLine.Json), runs, ("LOCAL", static r => r.Local), ("UTC", static r => Output.Time(r.At)), ("NOTE", static r => r.Note));
            return CommandLine.Done;
        }));
        return preview;
    }

    private static Command Run()
    {
        var name = Name();
        var force = new Option<bool>("--force") { Description = "Start it although a run goes on." };
        var dry = new Option<bool>("--dry-run") { Description = "It shall change nothing and tell what it would do." };
        var detach = new Option<bool>("--no-follow") { Description = "Don't wait for its end." };
        var run = new Command("run", "Start a run now and follow it to its end; the exit code is its outcome. A running server carries it out.") { name, force, dry, detach, CommandLine.Json };
        run.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var book = services.GetRequiredService<ScheduleBook>();
            var json = parsed.GetValue(CommandLine.Json);
            var result = await book.RunNowAsync(parsed.GetValue(name)!, parsed.GetValue(force), parsed.GetValue(dry), Actor, ct).ConfigureAwait(false);
            if (result is not ScheduleCommandResult.Done { RunId: { } id } done) return await NotDoneAsync(result, parsed.GetValue(name)!).ConfigureAwait(false);
            await services.GetRequiredService<AuditLog>().WriteAsync(Actor, "schedule-run", done.Schedule.Name, new JsonObject { ["run"] = id, ["force"] = parsed.GetValue(force), ["dry_run"] = parsed.GetValue(dry) }, ct).ConfigureAwait(false);
            if (!json) Console.Out.WriteLine(done.Message);
            if (parsed.GetValue(detach))
            {
                if (json) Output.Json(new { done.RunId, done.Message });
                return CommandLine.Done;
            }

            var end = await FollowAsync(services, book, id, quiet: json, ct).ConfigureAwait(false);
            if (json) Output.Json(new { run = end, log = await services.GetRequiredService<ScheduleHistory>().LinesAsync(end, ct).ConfigureAwait(false) });
            return end.Outcome == "finished" ? CommandLine.Done : CommandLine.Failed;
        }));
        return run;
    }

    private static async Task<ScheduleRunView> FollowAsync(IServiceProvider services, ScheduleBook book, string id, bool quiet, CancellationToken ct)
    {
        var history = services.GetRequiredService<ScheduleHistory>();
        var begun = TimeProvider.System.GetTimestamp();
        var told = false;
        var shown = new List<ScheduleLogLine>();
        while (true)
        {
            var run = await book.FindRunAsync(id, ct).ConfigureAwait(false) ?? throw new IOException("the run is gone");
            var lines = await history.LinesAsync(run, ct).ConfigureAwait(false);
            // Lines of a workflow that the run started may come in between those that were there before.
            var fresh = lines.ToList();
            foreach (var line in shown) fresh.Remove(line);
            if (!quiet)
                foreach (var line in fresh)
                    Console.Out.WriteLine(Line(run, line));
            shown.AddRange(fresh);
            if (run.EndedAt is not null) return run;
            if (!told && lines.Count <= 1 && TimeProvider.System.GetElapsedTime(begun) > Patience)
            {
                told = true;
                await Console.Error.WriteLineAsync("pw: no running server has taken it yet; it stays in the queue. Ctrl-C ends only this waiting.").ConfigureAwait(false);
            }

            await Task.Delay(Look, TimeProvider.System, ct).ConfigureAwait(false);
        }
    }

    private static Command Pause()
    {
        var name = Name();
        var reason = Reason("Why; shown until it is resumed, and kept in the audit log.");
        var pause = new Command("pause", "Stop a schedule from running; what runs now goes on.") { name, reason, CommandLine.Json };
        pause.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var result = await services.GetRequiredService<ScheduleBook>().PauseAsync(parsed.GetValue(name)!, parsed.GetValue(reason)!, Actor, ct).ConfigureAwait(false);
            return await AnswerAsync(parsed, services, result, "schedule-pause", new JsonObject { ["reason"] = parsed.GetValue(reason) }, ct).ConfigureAwait(false);
        }));
        return pause;
    }

    private static Command Resume()
    {
        var name = Name();
        var reason = Reason("Why; kept in the audit log.");
        var missed = new Option<string?>("--missed") { Description = "What to do about the due times that passed meanwhile: nothing (skip them, the default), latest (one run for all) or all (a run for each). Without it you are asked, on a terminal.", HelpName = "WHAT" };
        missed.AcceptOnlyFromAmong("nothing", "latest", "all");
        var resume = new Command("resume", "Let a paused schedule run again.") { name, reason, missed, CommandLine.Json };
        resume.SetAction((parsed, ct) => CommandLine.WithServicesAsync(parsed, async services =>
        {
            var book = services.GetRequiredService<ScheduleBook>();
            var after = AfterPause.Nothing;
            if (parsed.GetValue(missed) is { } choice) ScheduleEndpoints.TryReadMissed(choice, out after);
            else if (!parsed.GetValue(CommandLine.Json) && !Console.IsInputRedirected && await book.CountPausedAsync(parsed.GetValue(name)!, ct).ConfigureAwait(false) is > 0 and var count)
                after = AskMissed(count, Console.In, Console.Out);
            var result = await book.ResumeAsync(parsed.GetValue(name)!, after, Actor, ct).ConfigureAwait(false);
            return await AnswerAsync(parsed, services, result, "schedule-resume", new JsonObject { ["reason"] = parsed.GetValue(reason), ["missed"] = after.ToString() }, ct).ConfigureAwait(false);
        }));
        return resume;
    }

    /// <summary>Asks what to do about due times that passed while a schedule was paused. An empty line, or the end of what is typed, is to do nothing about them.</summary>
    internal static AfterPause AskMissed(long count, TextReader input, TextWriter output)
    {
        output.Write(string.Create(CultureInfo.InvariantCulture, $"{count} due time{(count == 1 ? "" : "s")} passed while it was paused. Skip {(count == 1 ? "it" : "them")} (nothing), run once for all (latest), or run each (all)? [nothing] "));
        while (input.ReadLine()?.Trim() is { Length: > 0 } word)
        {
            if (ScheduleEndpoints.TryReadMissed(word, out var after)) return after;
            output.Write($"Expected nothing, latest or all, found '{word}'. [nothing] ");
        }

        return AfterPause.Nothing;
    }

    private static Option<string> Reason(string description) => new("--reason") { Description = description, Required = true };

    private static async Task<int> AnswerAsync(ParseResult parsed, IServiceProvider services, ScheduleCommandResult result, string action, JsonObject detail, CancellationToken ct)
    {
        if (result is not ScheduleCommandResult.Done done) return await NotDoneAsync(result, "").ConfigureAwait(false);
        await services.GetRequiredService<AuditLog>().WriteAsync(Actor, action, done.Schedule.Name, detail, ct).ConfigureAwait(false);
        if (parsed.GetValue(CommandLine.Json)) Output.Json(done.Schedule);
        else Console.Out.WriteLine(done.Message);
        return CommandLine.Done;
    }

    private static async Task<int> NotDoneAsync(ScheduleCommandResult result, string name)
    {
        await Console.Error.WriteLineAsync("pw: " + (result is ScheduleCommandResult.Refused refused ? refused.Why : $"there is no schedule {name}".TrimEnd() + "; see pw schedules list")).ConfigureAwait(false);
        return CommandLine.Failed;
    }

    private static Task<int> MissingAsync(string name) => NotDoneAsync(new ScheduleCommandResult.Missing(), name);

    private static string Line(ScheduleRunView run, ScheduleLogLine line) => $"{Output.Time(line.At)} {run.Schedule}[{run.Id[^8..]}]: {string.Concat(line.Text.Select(static c => char.IsControl(c) ? ' ' : c))}";

    private static string Local(DateTimeOffset at, TimeZoneInfo zone) => TimeZoneInfo.ConvertTime(at, zone).ToString("ddd yyyy-MM-dd HH:mm:ss zzz", CultureInfo.InvariantCulture);

    /// <summary>Reads when a history begins.</summary>
    internal static DateTimeOffset When(string text, DateTimeOffset now)
    {
        text = text.Trim();
        if (text == "today") return new DateTimeOffset(now.UtcDateTime.Date, TimeSpan.Zero);
        if (text == "yesterday") return new DateTimeOffset(now.UtcDateTime.Date.AddDays(-1), TimeSpan.Zero);
        if (Ago().Match(text) is { Success: true } ago && Unit(int.Parse(ago.Groups[1].Value, CultureInfo.InvariantCulture), ago.Groups[2].Value[0] == 'm' && ago.Groups[2].Value.StartsWith("mo", StringComparison.Ordinal) ? 'M' : ago.Groups[2].Value[0]) is { } length) return now - length;
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at) ? at : throw new WrongUseException($"--since: expected '1 day ago', '2 hours ago', today, yesterday or a time such as 2026-11-24T12:00Z, at most a thousand years back, found '{text}'");
    }

    /// <summary>Reads how far ahead a preview goes.</summary>
    internal static TimeSpan Ahead(string text) => Span().Match(text.Trim()) is { Success: true } span && int.TryParse(span.Groups[1].Value, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= 100_000
        && Unit(count, span.Groups[2].Value[0]) is { } length && length <= TimeSpan.FromDays(3660) ? length : throw new WrongUseException($"--for: expected a length such as 12h, 30d, 8w or 1y, at most ten years, found '{text}'");

    /// <summary>A length of time; <c>null</c> when it is longer than <see cref="MostDays"/>.</summary>
    private static TimeSpan? Unit(int count, char unit)
    {
        var days = count * unit switch
        {
            's' => 1 / 86_400.0,
            'm' => 1 / 1440.0,
            'h' => 1 / 24.0,
            'd' => 1.0,
            'w' => 7.0,
            'M' => 30.0,
            _ => 365.0,
        };
        return days > MostDays ? null : TimeSpan.FromSeconds(Math.Round(days * 86_400));
    }

    [GeneratedRegex("^([0-9]{1,6}) ?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?|months?|y|years?) ago$")]
    private static partial Regex Ago();

    [GeneratedRegex("^([0-9]{1,6}) ?(s|m|h|d|w|y)[a-z]*$")]
    private static partial Regex Span();
}
