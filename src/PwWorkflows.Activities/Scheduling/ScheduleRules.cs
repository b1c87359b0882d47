using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PwWorkflows.Activities.Scheduling;

/// <summary>What is to be done about one due time, or several in a row.</summary>
internal enum Fate
{
    /// <summary>Runs now.</summary>
    Start,
    /// <summary>Runs when what runs now has ended.</summary>
    Wait,
    /// <summary>Does not run, by the schedule's own rules or somebody's order.</summary>
    Skip,
    /// <summary>Does not run, because nobody was there in time.</summary>
    Miss,
}

/// <summary>One due time, or several in a row, with its fate.</summary>
/// <param name="Nominal">The due time; of several the newest.</param>
/// <param name="From">The oldest of them.</param>
/// <param name="Covers">How many they are.</param>
/// <param name="CaughtUp">It makes up for times that were missed.</param>
/// <param name="Fate">What is done.</param>
/// <param name="Reason">Why it does not run; <c>null</c> when it does.</param>
internal sealed record PlannedRun(DateTimeOffset Nominal, DateTimeOffset From, long Covers, bool CaughtUp, Fate Fate, string? Reason = null);

/// <summary>The runs of a schedule that go on or wait. Dry runs are none: they change nothing, so that nothing has to wait for them.</summary>
/// <param name="Running">How many go on.</param>
/// <param name="Waiting">How many wait.</param>
/// <param name="Manual">How many of both somebody asked for.</param>
internal readonly record struct ScheduleLoad(int Running, int Waiting, int Manual = 0)
{
    /// <summary>Nothing goes on or waits.</summary>
    public bool IsFree => Running + Waiting == 0;

    /// <summary>What is in a list of runs that go on or wait.</summary>
    public static ScheduleLoad Of(IEnumerable<OpenRun> open)
    {
        var load = default(ScheduleLoad);
        foreach (var run in open.Where(static r => !r.DryRun))
            load = new(load.Running + (run.Outcome == "running" ? 1 : 0), load.Waiting + (run.Outcome == "waiting" ? 1 : 0), load.Manual + (run.Cause == "manual" ? 1 : 0));
        return load;
    }
}

/// <summary>What is to be done about all that is due.</summary>
/// <param name="Runs">Each due time has its place in exactly one of them, oldest first.</param>
/// <param name="Supersedes">Ordinary due times that wait until now shall not.</param>
/// <param name="Cancels">What runs now shall stop.</param>
internal sealed record SchedulePlan(IReadOnlyList<PlannedRun> Runs, bool Supersedes = false, bool Cancels = false);

/// <summary>The rules of schedules: pure, so that every node decides alike.</summary>
internal static class ScheduleRules
{
    /// <summary>A due time that is seen later than this, or only when the next one has come, was missed.</summary>
    public static readonly TimeSpan OnTime = TimeSpan.FromMinutes(1);

    /// <summary>How long after its second due time a schedule may be without a finished run before it is called overdue; longer when its deadline is.</summary>
    public static readonly TimeSpan OverdueGrace = TimeSpan.FromMinutes(5);

    /// <summary>When a due time may start: later by the schedule's jitter, by an amount of its own that is the same on every node.</summary>
    public static DateTimeOffset DueAt(string scheduleId, ScheduleSettings settings, DateTimeOffset nominal)
    {
        if (settings.Jitter <= TimeSpan.Zero) return nominal;
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{scheduleId}|{nominal.UtcTicks}")), hash);
        return nominal.AddMilliseconds(BinaryPrimitives.ReadUInt64LittleEndian(hash) % ((ulong)settings.Jitter.TotalMilliseconds + 1));
    }

    /// <summary>Decides about everything that became due.</summary>
    /// <param name="id">The schedule.</param>
    /// <param name="settings">Its settings.</param>
    /// <param name="cadence">Its cadence.</param>
    /// <param name="cursor">Due times up to here are on record.</param>
    /// <param name="now">The database's time.</param>
    /// <param name="load">What runs and waits already.</param>
    public static SchedulePlan Decide(string id, ScheduleSettings settings, Cadence cadence, DateTimeOffset cursor, DateTimeOffset now, ScheduleLoad load)
    {
        var (running, waiting, manual) = load;
        var due = cadence.Between(cursor, now).ToList();
        // Jitter keeps the order, so only the newest may have to wait for its moment.
        if (due.Count > 0 && DueAt(id, settings, due[^1]) > now) due.RemoveAt(due.Count - 1);
        if (due.Count == 0) return new SchedulePlan([]);

        var runs = new List<PlannedRun>();
        var wanted = new List<PlannedRun>();
        var onTime = now - DueAt(id, settings, due[^1]) <= OnTime;
        var missed = onTime ? due[..^1] : due;
        var first = onTime ? due[^1] : (DateTimeOffset?)null;
        if (missed.Count > 0)
        {
            if (settings.CatchUp == CatchUp.Skip) Lost(0, missed.Count, Fate.Miss, "down");
            else
            {
                var old = settings.CatchUpWindow is { } window ? missed.TakeWhile(at => now - at > window).Count() : 0;
                Lost(0, old, Fate.Miss, "window");
                if (settings.CatchUp == CatchUp.RunEach)
                {
                    var over = Math.Max(old, missed.Count - settings.CatchUpLimit);
                    Lost(old, over, Fate.Miss, "limit");
                    wanted.AddRange(missed[over..].Select(static at => new PlannedRun(at, at, 1, true, Fate.Start)));
                }
                else if (old < missed.Count)
                {
                    // One run for all; when the newest is on time anyway, that one.
                    var from = missed[old];
                    wanted.Add(first is { } newest ? new PlannedRun(newest, from, missed.Count - old + 1, true, Fate.Start) : new PlannedRun(missed[^1], from, missed.Count - old, true, Fate.Start));
                    first = null;
                }
            }
        }

        if (first is { } regular) wanted.Add(new PlannedRun(regular, regular, 1, false, Fate.Start));

        var free = load.IsFree;
        var (started, supersedes, cancels) = (false, false, false);
        foreach (var run in wanted)
        {
            if (free || settings.Overlap == Overlap.Allow)
            {
                runs.Add(run);
                (free, started) = (false, true);
            }
            else if (started || (run.CaughtUp && settings.CatchUp == CatchUp.RunEach))
            {
                // Runs that make up for missed times come one after the other, and what is due now comes after them.
                runs.Add(run with { Fate = Fate.Wait });
                started = true;
            }
            else if (settings.Overlap == Overlap.Skip && running + waiting == manual)
            {
                // What somebody asked for does not cost a due time its run: it comes after it.
                runs.Add(run with { Fate = Fate.Wait });
                started = true;
            }
            else if (settings.Overlap == Overlap.Skip)
            {
                runs.Add(run with { Fate = Fate.Skip, Reason = "overlap" });
            }
            else
            {
                runs.Add(run with { Fate = Fate.Wait });
                supersedes = waiting > 0;
                cancels = settings.Overlap == Overlap.CancelRunning && running > 0;
            }
        }

        return new SchedulePlan(runs, supersedes, cancels);

        void Lost(int start, int end, Fate fate, string reason)
        {
            if (end > start) runs.Add(new PlannedRun(missed[end - 1], missed[start], end - start, false, fate, reason));
        }
    }

    /// <summary>When a schedule that finished nothing since <paramref name="last"/> is overdue: its second due time after it, and grace.</summary>
    public static DateTimeOffset? OverdueAt(ScheduleSettings settings, Cadence cadence, DateTimeOffset last)
    {
        if (cadence.Next(last) is not { } one || cadence.Next(one) is not { } two) return null;
        var grace = settings.Deadline > OverdueGrace ? settings.Deadline.Value : OverdueGrace;
        return two + settings.Jitter + grace;
    }
}
