using PwWorkflows.Activities.Data;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Server.Http;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>POST /api/v1/admin/clock</c>, in the sandbox only: moves this server's clock forward, so that what waits for a time need not be waited for.</summary>
internal static class ClockEndpoints
{
    private const int MostSeconds = 400 * 24 * 3600;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    public static void Map(IEndpointRouteBuilder admin) => admin.MapPost("/clock", MoveAsync).RequireAuthorization(Roles.Admin);

    private static async Task<IResult> MoveAsync(HttpContext http, MovableClock clock, IEngineStore store, IPwDatabase database, CancellationToken ct)
    {
        var (fields, problem) = await JsonBody.ReadAsync(http, ct).ConfigureAwait(false);
        if (fields is null) return problem!;
        var seconds = fields.Whole("advance_seconds", 0, MostSeconds);
        if (!fields.AreGood) return fields.Problem();
        // A lease must not lapse under what runs: the clock moves when nothing does.
        var begun = clock.GetTimestamp();
        while (await IsBusyAsync(database, ct).ConfigureAwait(false))
        {
            if (clock.GetElapsedTime(begun) > LongestWait) return Problems.Of(StatusCodes.Status409Conflict, "Workflows have been running all the time; the clock stays.");
            await Task.Delay(Pause, clock, ct).ConfigureAwait(false);
        }

        clock.Advance(TimeSpan.FromSeconds(seconds!.Value));
        // Due times are compared with the database's clock, which does not move.
        store.ClockOverride = clock.GetUtcNow;
        return PwJson.Ok(new { now = clock.GetUtcNow() });
    }

    private static async Task<bool> IsBusyAsync(IPwDatabase database, CancellationToken ct) =>
        (await database.QueryAsync(
            "SELECT (SELECT count(*) FROM instance_leases) + (SELECT count(*) FROM work_items WHERE taken_by IS NOT NULL)", Parameters.None, static r => r.GetInt64(0), ct).ConfigureAwait(false))[0] > 0;
}
