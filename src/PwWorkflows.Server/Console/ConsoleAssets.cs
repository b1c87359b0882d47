using System.Reflection;
using Microsoft.Net.Http.Headers;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/console</c>: the style sheet, the scripts and the font of the pages. All of it lies in the program.</summary>
internal static class ConsoleAssets
{
    private static readonly string Version = typeof(ConsoleAssets).Assembly.ManifestModule.ModuleVersionId.ToString("N")[..12];
    private static readonly EntityTagHeaderValue Tag = new($"\"{Version}\"");
    private static readonly (string Name, string Type)[] Files =
    [
        ("console.css", "text/css; charset=utf-8"), ("console.js", "text/javascript; charset=utf-8"), ("icon.svg", "image/svg+xml"), ("htmx.min.js", "text/javascript; charset=utf-8"), ("roboto.woff2", "font/woff2"),
    ];

    /// <summary>The address of a file; another one with every build, so that browsers may keep it for good.</summary>
    public static string Url(string name) => $"/console/{name}?v={Version}";

    /// <summary>Whether a file is in the program: those from npm are missing when it was built without them. Reading works without.</summary>
    public static bool Has(string name) => typeof(ConsoleAssets).Assembly.GetManifestResourceInfo("console/" + name) is not null;

    public static void Map(IEndpointRouteBuilder routes)
    {
        foreach (var (name, type) in Files)
        {
            if (!Has(name)) continue;
            routes.MapGet("/console/" + name, (HttpContext http) =>
            {
                http.Response.Headers.CacheControl = http.Request.Query["v"] == Version ? "public, max-age=31536000, immutable" : "no-cache";
                http.Response.Headers.XContentTypeOptions = "nosniff";
                return Results.Stream(Assembly.GetExecutingAssembly().GetManifestResourceStream("console/" + name)!, type, entityTag: Tag);
            }).AllowAnonymous();
        }
    }
}
