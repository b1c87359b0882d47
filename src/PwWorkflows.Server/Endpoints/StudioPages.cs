using System.Globalization;
using System.Reflection;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Extensions.FileProviders;
using Microsoft.Extensions.Options;
using Microsoft.Net.Http.Headers;
using PwWorkflows.Server.Hosting;
using PwWorkflows.Server.Http;
using PwWorkflows.Server.Pages;

namespace PwWorkflows.Server.Endpoints;

/// <summary><c>/studio</c>: the unmodified package of Elsa Studio, and the pages that put one of its elements each on the screen.</summary>
internal static class StudioPages
{
    // What Studio needs and no more. It compiles WebAssembly, writes styles while it runs, and Monaco starts workers from blobs. The hashes are those of the inline scripts that Studio's editor and instance list render for their hot keys.
    private const string Policy =
        "default-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'; script-src 'self' 'wasm-unsafe-eval' 'sha256-snlP1jz0gjwc5cTz9ErZcliXuCK63+Mmf68RRCeptgc=' 'sha256-vu6sQrKXQHR4Yn3FMMihA/9TxxfIXnCxKwvLrTPJ5ts='; style-src 'self' 'unsafe-inline'; " +
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:";

    private static readonly string[] Pages = ["workflows", "instances", "editor", "instance"];
    private static readonly FileExtensionContentTypeProvider Types = new(new Dictionary<string, string>(new FileExtensionContentTypeProvider().Mappings, StringComparer.OrdinalIgnoreCase)
    {
        [".dat"] = "application/octet-stream",
        [".js"] = "text/javascript",
        [".wasm"] = "application/wasm",
        [".webmanifest"] = "application/manifest+json",
    });

    private static readonly EntityTagHeaderValue OwnTag = new($"\"{typeof(StudioPages).Assembly.ManifestModule.ModuleVersionId:N}\"");

    public static void Map(IEndpointRouteBuilder routes)
    {
        var folder = routes.ServiceProvider.GetRequiredService<IOptions<ServerOptions>>().Value.StudioFolder;
        var files = Directory.Exists(folder) ? new PhysicalFileProvider(folder) : null;
        routes.MapGet("/studio", static () => Results.Redirect("/studio/host/workflows"));
        foreach (var page in Pages) routes.MapGet("/studio/host/" + page, static (HttpContext http) => Own(http, "host.html"));
        foreach (var own in (string[])["studio-host.css", "studio-host.js", "studio-approvals.js", "studio-incident.js"]) routes.MapGet("/studio/host/" + own, (HttpContext http) => Own(http, own));
        // Where Studio's own links lead.
        foreach (var start in (string[])["/studio", ""])
        {
            routes.MapGet(start + "/workflows/definitions/{id}/edit", static (string id) => Results.Redirect("/studio/host/editor?id=" + Uri.EscapeDataString(id)));
            routes.MapGet(start + "/workflows/instances/{id}/view", static (string id) => Results.Redirect("/studio/host/instance?id=" + Uri.EscapeDataString(id)));
            routes.MapGet(start + "/diagnostics/structured-logs", static (string? workflowInstanceId) => Results.Redirect(workflowInstanceId is { Length: > 0 } id ? InstanceLogPage.Url(id) : "/instances"));
        }

        routes.MapGet("/studio/{**path}", (string? path, HttpContext http) => Package(http, files, path ?? ""));
    }

    private static IResult Own(HttpContext http, string name)
    {
        Protect(http);
        http.Response.Headers.CacheControl = "no-cache";
        Types.TryGetContentType(name, out var type);
        var content = Assembly.GetExecutingAssembly().GetManifestResourceStream("studio/" + name) ?? throw new InvalidOperationException($"The page {name} is not in the program.");
        return Results.Stream(content, type + "; charset=utf-8", entityTag: OwnTag);
    }

    private static IResult Package(HttpContext http, PhysicalFileProvider? files, string path)
    {
        if (files is null) return Problems.Of(StatusCodes.Status404NotFound, "Elsa Studio is not installed: run npm ci in src/PwWorkflows.Server, or set PW_STUDIO to the folder of the package.");
        // The package's sample page loads fonts from outside and does not fit this address.
        if (path.Length == 0 || path == "index.html" || files.GetFileInfo(path) is not { Exists: true, PhysicalPath: { } plain } file || !Types.TryGetContentType(path, out var type)) return Problems.Of(StatusCodes.Status404NotFound, null);
        Protect(http);
        // Names below _framework hold a hash of their content, apart from the two that start everything.
        var fixedName = path.StartsWith("_framework/", StringComparison.Ordinal) && path is not ("_framework/blazor.webassembly.js" or "_framework/dotnet.js");
        http.Response.Headers.CacheControl = fixedName ? "public, max-age=31536000, immutable" : "no-cache";
        http.Response.Headers.Vary = HeaderNames.AcceptEncoding;
        var accepted = http.Request.GetTypedHeaders().AcceptEncoding;
        foreach (var (coding, ending) in ((string, string)[])[("br", ".br"), ("gzip", ".gz")])
        {
            if (!accepted.Any(a => a.Value == coding && a.Quality is null or > 0) || files.GetFileInfo(path + ending) is not { Exists: true, PhysicalPath: { } packed }) continue;
            http.Response.Headers.ContentEncoding = coding;
            return Results.File(packed, type, lastModified: file.LastModified, entityTag: Tag(file, ending));
        }

        return Results.File(plain, type, lastModified: file.LastModified, entityTag: Tag(file, ""));
    }

    private static EntityTagHeaderValue Tag(IFileInfo file, string coding) => new(string.Create(CultureInfo.InvariantCulture, $"\"{file.LastModified.UtcTicks:x}-{file.Length:x}{coding}\""));

    private static void Protect(HttpContext http)
    {
        http.Response.Headers.ContentSecurityPolicy = Policy;
        http.Response.Headers.XContentTypeOptions = "nosniff";
        http.Response.Headers["Referrer-Policy"] = "same-origin";
    }
}
