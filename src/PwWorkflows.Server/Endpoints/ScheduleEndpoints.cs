using System.Globalization;
using PwWorkflows.Activities.Records;
using PwWorkflows.Activities.Scheduling;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/api/v1/admin/schedules</c>.</summary>
internal static class ScheduleEndpoints
{
    /// <summary>Most coming runs that one answer lists.</summary>
    public const int MostComing = 2000;

    public static readonly string[] Outcomes = ["waiting", "running", "finished", "failed", "cancelled", "skipped", "missed"];

    public static void Map(IEndpointRouteBuilder admin)
    {
        var schedules = admin.MapGroup("/schedules");
        schedules.MapGet("", ListAsync).RequireAuthorization(Roles.Viewer);
        schedules.MapGet("/preview", PreviewCadenceAsync).RequireAuthorization(Roles.Viewer);
        schedules.MapGet("/{name}", ShowAsync).RequireAuthorization(Roles.Viewer);
        schedules.MapGet("/{name}/preview", PreviewAsync).RequireAuthorization(Roles.Viewer);
        schedules.MapGet("/{name}/runs", RunsAsync).RequireAuthorization(Roles.Viewer);
        schedules.MapGet("/{name}/runs/{run}", RunAsync).RequireAuthorization(Roles.Viewer);
        schedules.MapGet("/{name}/missed", MissedAsync).RequireAuthorization(Roles.Viewer);
        schedules.MapPost("/{name}/run", RunNowAsync).RequireAuthorization(Roles.Operator);
        schedules.MapPost("/{name}/pause", PauseAsync).RequireAuthorization(Roles.Operator);
        schedules.MapPost("/{name}/resume", ResumeAsync).RequireAuthorization(Roles.Operator);
    }

    private static async Task<IResult> ListAsync(HttpContext http, ScheduleBook book, CancellationToken ct) =>
        PwJson.Ok(new { schedules = await book.ListAsync(http.Request.Query["all"] == "true", ct).ConfigureAwait(false) });

    private static async Task<IResult> ShowAsync(string name, ScheduleBook book, CancellationToken ct) =>
        await book.FindAsync(name, ct).ConfigureAwait(false) is { } found ? PwJson.Ok(found) : Missing(name);

    private static async Task<IResult> PreviewAsync(string name, HttpContext http, ScheduleBook book, CancellationToken ct)
    {
        if (await book.FindAsync(name, ct).ConfigureAwait(false) is not { } found) return Missing(name);
        return Coming(http, found.ToCadence(), found.Cadence, await book.NowAsync(ct).ConfigureAwait(false));
    }

    private static async Task<IResult> PreviewCadenceAsync(HttpContext http, ScheduleBook book, CancellationToken ct)
    {
        string? Query(string field) => http.Request.Query[field].ToString() is { Length: > 0 } text ? text : null;
        var wrong = new Dictionary<string, string[]>();
        TimeSpan? interval = null;
        if (Query("interval") is { } text) { if (TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var span)) interval = span; else wrong["interval"] = [$"Expected a length of time such as 7.00:00:00, found '{text}'."]; }
        DateTimeOffset? anchor = null;
        if (Query("anchor") is { } time) { if (DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)) anchor = at; else wrong["anchor"] = [$"Expected a time such as 2026-01-05T06:00:00Z, found '{time}'."]; }
        if (wrong.Count > 0) return Problems.OfFields(wrong);
        var now = await book.NowAsync(ct).ConfigureAwait(false);
        var settings = ScheduleSettings.OfCadence(Query("cron"), Query("zone"), interval, anchor);
        foreach (var problem in settings.Problems(now).GroupBy(static p => p.Field)) wrong[problem.Key switch { "TimeZone" => "zone", var field => field.ToLower(CultureInfo.InvariantCulture) }] = [.. problem.Select(static p => $"This {p.Message}")];
        return wrong.Count > 0 ? Problems.OfFields(wrong) : Coming(http, settings.ToCadence(now), CadenceWords.Of(settings), now);
    }

    private static IResult Coming(HttpContext http, Cadence cadence, string words, DateTimeOffset now)
    {
        var days = 30;
        if (http.Request.Query["days"].ToString() is { Length: > 0 } text && (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out days) || days is < 1 or > 3660))
            return Problems.OfFields(new Dictionary<string, string[]> { ["days"] = ["Expected a whole number from 1 to 3660."] });
        return PwJson.Ok(new { cadence = words, time_zone = cadence.Zone.Id, rule = Cadence.DaylightSavingRule, runs = ScheduleHistory.Coming(cadence, now, now.AddDays(days), MostComing) });
    }

    private static async Task<IResult> RunsAsync(string name, HttpContext http, ScheduleBook book, CancellationToken ct)
    {
        if (!Paging.TryRead(http, out var skip, out var take, out var problem)) return problem;
        if (await book.FindAsync(name, ct).ConfigureAwait(false) is not { } found) return Missing(name);
        DateTimeOffset? since = null;
        if (http.Request.Query["since"].ToString() is { Length: > 0 } text)
        {
            if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)) return Problems.OfFields(new Dictionary<string, string[]> { ["since"] = ["Expected a time such as 2026-11-24T12:00:00Z."] });
            since = at;
        }

        var outcome = http.Request.Query["outcome"].ToString() is { Length: > 0 } given ? given : null;
        if (outcome is not null && !Outcomes.Contains(outcome)) return Problems.OfFields(new Dictionary<string, string[]> { ["outcome"] = [$"Expected one of {string.Join(", ", Outcomes)}."] });
        return PwJson.Ok(new { runs = await book.RunsAsync(found.Id, since, outcome, take, ct, skip).ConfigureAwait(false) });
    }

    private static async Task<IResult> RunAsync(string name, string run, ScheduleBook book, ScheduleHistory history, CancellationToken ct)
    {
        if (await book.FindAsync(name, ct).ConfigureAwait(false) is not { } found) return Missing(name);
        if (await book.FindRunAsync(run, ct).ConfigureAwait(false) is not { } row || row.Schedule != found.Name) return Problems.Of(StatusCodes.Status404NotFound, $"There is no run '{run}' of '{name}'.");
        return PwJson.Ok(new { run = row, log = await history.LinesAsync(row, ct).ConfigureAwait(false) });
    }

    private static async Task<IResult> MissedAsync(string name, ScheduleBook book, CancellationToken ct) =>
        await book.FindAsync(name, ct).ConfigureAwait(false) is { } found ? PwJson.Ok(new { name = found.Name, found.State, count = await book.CountPausedAsync(name, ct).ConfigureAwait(false) }) : Missing(name);

    private static async Task<IResult> RunNowAsync(string name, HttpContext http, ScheduleBook book, AuditLog audit, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var (force, dryRun) = (fields.Flag("force"), fields.Flag("dry_run"));
        if (!fields.AreGood) return fields.Problem();
        return await AnswerAsync(name, await book.RunNowAsync(name, force, dryRun, http.UserName(), ct).ConfigureAwait(false), "schedule-run", new() { ["force"] = force, ["dry_run"] = dryRun }, http, audit, ct).ConfigureAwait(false);
    }

    private static async Task<IResult> PauseAsync(string name, HttpContext http, ScheduleBook book, AuditLog audit, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var reason = fields.Text("reason", 500);
        if (!fields.AreGood) return fields.Problem();
        return await AnswerAsync(name, await book.PauseAsync(name, reason, http.UserName(), ct).ConfigureAwait(false), "schedule-pause", new() { ["reason"] = reason }, http, audit, ct).ConfigureAwait(false);
    }

    private static async Task<IResult> ResumeAsync(string name, HttpContext http, ScheduleBook book, AuditLog audit, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var reason = fields.Text("reason", 500);
        var missed = AfterPause.Nothing;
        if (fields.Text("missed", 20, required: false) is { Length: > 0 } text && !TryReadMissed(text, out missed)) fields.Wrong("missed", "Expected nothing, latest or all: what to do about the due times that passed meanwhile.");
        if (!fields.AreGood) return fields.Problem();
        return await AnswerAsync(name, await book.ResumeAsync(name, missed, http.UserName(), ct).ConfigureAwait(false), "schedule-resume", new() { ["reason"] = reason, ["missed"] = missed.ToString() }, http, audit, ct).ConfigureAwait(false);
    }

    /// <summary>Reads <c>nothing</c>, <c>latest</c> or <c>all</c>.</summary>
    public static bool TryReadMissed(string text, out AfterPause missed)
    {
        var known = text is "nothing" or "latest" or "all";
        missed = text switch { "latest" => AfterPause.Latest, "all" => AfterPause.All, _ => AfterPause.Nothing };
        return known;
    }

    private static async Task<IResult> AnswerAsync(string name, ScheduleCommandResult result, string action, System.Text.Json.Nodes.JsonObject detail, HttpContext http, AuditLog audit, CancellationToken ct)
    {
        switch (result)
        {
            case ScheduleCommandResult.Done done:
                if (done.RunId is not null) detail["run"] = done.RunId;
                await audit.WriteAsync(http.UserName(), action, done.Schedule.Name, detail, ct).ConfigureAwait(false);
                return PwJson.Ok(new { done.Schedule, done.Message, done.RunId });
            case ScheduleCommandResult.Refused refused:
                return Problems.Of(StatusCodes.Status409Conflict, refused.Why);
            default:
                return Missing(name);
        }
    }

    private static IResult Missing(string name) => Problems.Of(StatusCodes.Status404NotFound, $"There is no schedule '{name}'.");
}
