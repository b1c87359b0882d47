using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;

namespace PwWorkflows.Sandbox.Core;

/// <summary>The endpoints every system has, and those of the whole sandbox.</summary>
static class CoreEndpoints
{
    public static void MapCore(this WebApplication app, IReadOnlyList<SandboxSystem> systems, SandboxClock clock)
    {
        foreach (var system in systems)
        {
            var routes = app.MapGroup("/" + system.Name);
            routes.MapGet("/_log", () => SandboxJson.Ok(system.Log.Read()));
            routes.MapGet("/_faults", () => SandboxJson.Ok(Describe(system)));
            routes.MapPost("/_faults", (HttpContext http, CancellationToken ct) => SetFaultAsync(system, http, ct));
            routes.MapDelete("/_faults", () =>
            {
                system.Faults.Clear();
                return SandboxJson.Ok(Describe(system));
            });
            system.Map(routes);
        }

        app.MapPost("/_reset", () =>
        {
            clock.Reset();
            foreach (var system in systems)
            {
                system.Faults.Clear();
                system.Reset();
                system.Log.Clear();
            }
            return SandboxJson.Ok(new { status = "clean" });
        });
        app.MapGet("/_health", () => SandboxJson.Ok(new { status = "ok", systems = systems.Select(s => s.Name) }));
        app.MapGet("/_clock", () => SandboxJson.Ok(new { now = clock.GetUtcNow() }));
        app.MapPost("/_clock", (HttpContext http, CancellationToken ct) => SetClockAsync(clock, http, ct));
        app.MapGet("/", () => Results.Content(Index(systems), "text/html; charset=utf-8"));
    }

    static object Describe(SandboxSystem system) => system.Faults.Read().Select(f => new { fault = f.Fault, hits = f.Hits, left = f.Left });

    static async Task<IResult> SetFaultAsync(SandboxSystem system, HttpContext http, CancellationToken ct)
    {
        IReadOnlyList<string> kinds = system.SpeaksHttp ? [.. FaultKinds.Http, .. system.OwnFaultKinds] : system.OwnFaultKinds;
        Fault? fault;
        try
        {
            fault = await http.Request.ReadFromJsonAsync<Fault>(SandboxJson.Options, ct);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return SandboxJson.Problem(400, "the fault is not understood: " + e.Message);
        }
        if (fault is null || !kinds.Contains(fault.Kind))
            return SandboxJson.Problem(400, $"kind: expected one of {string.Join(", ", kinds)} for {system.Name}");
        if (fault.Kind == FaultKinds.Status && fault.Status is < 300 or > 599)
            return SandboxJson.Problem(400, "status: expected a number from 300 to 599");
        if (fault.Count is <= 0) return SandboxJson.Problem(400, "count: expected a positive number, or null for until cleared");
        system.Faults.Add(fault);
        return SandboxJson.Ok(Describe(system));
    }

    static async Task<IResult> SetClockAsync(SandboxClock clock, HttpContext http, CancellationToken ct)
    {
        JsonElement body;
        try
        {
            body = await http.Request.ReadFromJsonAsync<JsonElement>(ct);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return SandboxJson.Problem(400, "expected JSON: " + e.Message);
        }
        if (body.ValueKind == JsonValueKind.Object && body.TryGetProperty("advance_seconds", out var seconds) && seconds.ValueKind == JsonValueKind.Number)
            clock.Advance(TimeSpan.FromSeconds(seconds.GetDouble()));
        else if (body.ValueKind == JsonValueKind.Object && body.TryGetProperty("now", out var now)
            && now.ValueKind == JsonValueKind.String
            && DateTimeOffset.TryParse(now.GetString(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            clock.Set(time);
        else
            return SandboxJson.Problem(400, "expected {\"advance_seconds\": number} or {\"now\": \"ISO 8601 time\"}");
        return SandboxJson.Ok(new { now = clock.GetUtcNow() });
    }

    static string Index(IReadOnlyList<SandboxSystem> systems)
    {
        var html = new StringBuilder("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Sandbox</title>")
            .Append("<style>body{font:16px system-ui;margin:2rem;max-width:50rem}li{margin:.4rem 0}</style></head><body><h1>Sandbox</h1>")
            .Append("<p>Local stand-ins for the outside. Nothing here is real, and its secrets are published.</p><ul>");
        foreach (var (name, home) in systems.Select(s => (WebUtility.HtmlEncode(s.Name), s.HomePath)))
            html.Append(CultureInfo.InvariantCulture, $"<li><a href=\"{home}\">{name}</a> · <a href=\"/{name}/_log\">log</a> · <a href=\"/{name}/_faults\">faults</a></li>");
        return html.Append("</ul></body></html>").ToString();
    }
}
