using System.Diagnostics;
using System.Globalization;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.ModelBinding;
using Microsoft.AspNetCore.Mvc.ViewFeatures;

namespace PwWorkflows.Server.Pages;

/// <summary>An error as people see it.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="What">What happened, in one sentence.</param>
/// <param name="Means">What it means for them.</param>
/// <param name="TryThis">What to try.</param>
internal sealed record ConsoleProblem(int Status, string What, string Means, string TryThis)
{
    /// <summary>The id that finds the request in the log.</summary>
    public static string IdOf(HttpContext http) => Activity.Current?.TraceId.ToString() ?? http.TraceIdentifier;

    /// <summary>The error of somebody whose role is too small.</summary>
    public static ConsoleProblem Denied(string role) =>
        new(StatusCodes.Status403Forbidden, "Your role does not allow this.", $"It needs the role {role}. Nothing was changed.", "Ask an administrator to do it, or to give you the role.");

    /// <summary>Whether an answer goes to a person's browser and not to a program.</summary>
    public static bool IsForPeople(HttpContext http)
    {
        var path = http.Request.Path;
        return !path.StartsWithSegments("/api") && !path.StartsWithSegments("/elsa") && !path.StartsWithSegments("/jobs") && !path.StartsWithSegments("/health")
            && http.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.Ordinal);
    }

    /// <summary>The error within the frame, with the rail and the search at hand.</summary>
    public IActionResult Result(HttpContext http) => new ViewResult
    {
        ViewName = "/Console/Shared/Problem.cshtml",
        StatusCode = Status,
        ViewData = new ViewDataDictionary<ConsoleProblem>(http.RequestServices.GetRequiredService<IModelMetadataProvider>(), new ModelStateDictionary()) { Model = this },
    };

    /// <summary>Tells somebody signed in that the role is too small.</summary>
    public static Task DeniedAsync(HttpContext http) => Of(StatusCodes.Status403Forbidden, null).WriteAsync(http);

    /// <summary>The words for a status.</summary>
    public static ConsoleProblem Of(int status, string? detail) => status switch
    {
        StatusCodes.Status400BadRequest => new(status, detail ?? "The form can't be taken.", "It was open for too long, or was changed on the way. Nothing was changed.", "Go back, load the page again and send the form again."),
        StatusCodes.Status403Forbidden => new(status, "Your role does not allow this.", "Nothing was changed.", "Ask an administrator to do it, or to give you the role."),
        StatusCodes.Status404NotFound => new(status, detail ?? "There is nothing at this address.", "The link is wrong, or what it led to is gone.", "Search for the number you have, or start from the overview."),
        StatusCodes.Status405MethodNotAllowed => new(status, "This address does not take that.", "A form was sent to a page that has none.", "Start from the overview."),
        StatusCodes.Status503ServiceUnavailable => new(status, detail ?? "The server is not ready.", "It starts or stops, or its database does not answer.", "Try again in a few seconds."),
        >= 500 => new(status, detail is null ? "The server could not finish this." : detail, "What you sent may or may not have been done; nothing is done by halves.", "Look whether it happened, then try again. If it stays so, give the id below to whoever runs the server."),
        _ => new(status, detail ?? $"The server answered {status.ToString(CultureInfo.InvariantCulture)}.", "Nothing was changed.", "Go back and try again."),
    };

    /// <summary>The error as a page of its own: it needs neither the database nor the frame, so it works when those do not.</summary>
    public Task WriteAsync(HttpContext http)
    {
        http.Response.StatusCode = Status;
        ConsoleFilter.Protect(http);
        http.Response.ContentType = "text/html; charset=utf-8";
        var e = HtmlEncoder.Default;
        return http.Response.WriteAsync(
            $"""
             <!DOCTYPE html>
             <html lang="en">
             <head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{e.Encode(What)}</title>
             <link rel="icon" href="{ConsoleAssets.Url("icon.svg")}"><link rel="stylesheet" href="{ConsoleAssets.Url("console.css")}"></head>
             <body class="bare"><main class="card problem">
             <h1>{e.Encode(What)}</h1><p>{e.Encode(Means)}</p><p>{e.Encode(TryThis)}</p>
             <p class="quiet">Id to quote: <code>{e.Encode(IdOf(http))}</code></p><p><a class="button" href="/">Overview</a></p>
             </main></body></html>
             """, http.RequestAborted);
    }
}
