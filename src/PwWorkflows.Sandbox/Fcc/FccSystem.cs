using System.Globalization;
using System.Net;
using System.Text;
using PwWorkflows.Sandbox.Core;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.Sandbox.Fcc;

/// <summary>
/// A stand-in for the FCC's public pages: the welcome page of the Robocall Mitigation Database with its CSV listing, and the page of removal orders with their texts.
/// </summary>
/// <remarks>
/// Besides the core's faults it plays <c>changed_listing</c>, with <c>data.shape</c>: <c>order</c> (the columns in another order), <c>no_frn</c> (the column of FRNs has another heading),
/// <c>few</c> (only some rows); and <c>no_link</c> (the welcome page lacks the link).
/// </remarks>
/// <param name="context">What the core gives.</param>
public sealed class FccSystem(SandboxContext context) : SandboxSystem("fcc", context, Changed, NoLink)
{
    const string Changed = "changed_listing";
    const string NoLink = "no_link";
    const int Others = 117;

    readonly Lock _gate = new();
    readonly HashSet<string> _gone = [];
    readonly Dictionary<string, string> _orders = First();

    static Dictionary<string, string> First() => new() { ["DA-25-694A1"] = Order("DA 25-694", ["0099000001", "0099000002"]) };

    /// <inheritdoc />
    public override string HomePath => "/fcc/rmd";

    /// <inheritdoc />
    public override void Reset()
    {
        lock (_gate)
        {
            _gone.Clear();
            _orders.Clear();
            foreach (var (document, text) in First()) _orders[document] = text;
        }
    }

    /// <summary>Takes a filer out of the listing.</summary>
    public void Remove(string frn)
    {
        lock (_gate) _gone.Add(frn);
    }

    /// <summary>Puts a filer back into the listing.</summary>
    public void Restore(string frn)
    {
        lock (_gate) _gone.Remove(frn);
    }

    /// <summary>Publishes a removal order.</summary>
    /// <param name="document">Such as <c>DA-26-1A1</c>.</param>
    /// <param name="frns">Whom it removes.</param>
    /// <param name="text">Its text; null for one of the usual kind.</param>
    public void Publish(string document, IReadOnlyList<string> frns, string? text = null)
    {
        lock (_gate) _orders[document] = text ?? Order(document, frns);
    }

    /// <inheritdoc />
    public override void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/rmd", (HttpContext http) => Results.Content(
            "<!DOCTYPE html><html><head><title>Robocall Mitigation Database</title></head><body><h1>Robocall Mitigation Database</h1><p>Welcome.</p>"
            + (Faults.Take(NoLink, http.Request.Method, http.Request.Path.Value ?? "") is not null ? "" : "<p><a href=\"/fcc/rmd/listings.csv\">Download all filings (CSV)</a></p>") + "</body></html>", "text/html; charset=utf-8"));
        routes.MapGet("/rmd/listings.csv", (HttpContext http) => Results.Content(Listing(Faults.Take(Changed, http.Request.Method, http.Request.Path.Value ?? "")?.Data?["shape"]?.ToString()), "text/csv; charset=utf-8"));
        routes.MapGet("/orders", () =>
        {
            lock (_gate)
            {
                var html = new StringBuilder("<!DOCTYPE html><html><head><title>Removals</title></head><body><h1>Removal orders</h1><ul>");
                foreach (var document in _orders.Keys) html.Append(CultureInfo.InvariantCulture, $"<li><a href=\"/fcc/attachments/{document}.pdf\">{document}</a></li>");
                return Results.Content(html.Append("</ul></body></html>").ToString(), "text/html; charset=utf-8");
            }
        });
        routes.MapGet("/attachments/{document}.txt", (string document) =>
        {
            lock (_gate) return _orders.TryGetValue(document, out var text) ? Results.Content(text, "text/plain; charset=utf-8") : Results.NotFound();
        });
        routes.MapPost("/_remove", (string frn) =>
        {
            Remove(frn);
            return SandboxJson.Ok(new { removed = frn });
        });
        routes.MapPost("/_restore", (string frn) =>
        {
            Restore(frn);
            return SandboxJson.Ok(new { restored = frn });
        });
        routes.MapPost("/_order", (string document, string frn) =>
        {
            Publish(document, [frn]);
            return SandboxJson.Ok(new { published = document });
        });
    }

    string Listing(string? shape)
    {
        IEnumerable<(string Frn, string Name)> filers = [.. UsacDemo.Entities.Select(e => (e.Frn, e.LegalName)), .. Enumerable.Range(1, shape == "few" ? 5 : Others).Select(i => (string.Create(CultureInfo.InvariantCulture, $"0099{i:000000}"), string.Create(CultureInfo.InvariantCulture, $"Carrier {i}, \"Voice\" Inc")))];
        lock (_gate) filers = [.. filers.Where(f => !_gone.Contains(f.Frn))];
        var csv = new StringBuilder(shape switch { "order" => "FRN,Business Name,RMD Number,Implementation\r\n", "no_frn" => "RMD Number,Business Name,Registration,Implementation\r\n", _ => "RMD Number,Business Name,FRN,Implementation\r\n" });
        var number = 0;
        foreach (var (frn, name) in filers)
        {
            var (rmd, quoted) = (string.Create(CultureInfo.InvariantCulture, $"RMD{++number:0000000}"), $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"");
            csv.Append(shape == "order" ? $"{frn},{quoted},{rmd},Complete\r\n" : $"{rmd},{quoted},{frn},Complete\r\n");
        }

        return csv.ToString();
    }

    static string Order(string number, IReadOnlyList<string> frns) =>
        $"Federal Communications Commission {number}\n\nORDER\n\nBy this Order, the Enforcement Bureau removes the following providers from the Robocall Mitigation Database.\n\nAppendix A\n\n"
        + string.Join('\n', frns.Select(f => $"Provider, FRN {f}")) + "\n";
}
