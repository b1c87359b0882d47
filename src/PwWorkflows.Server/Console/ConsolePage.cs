using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.RazorPages;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Records;
using PwWorkflows.Server.Admin;

namespace PwWorkflows.Server.Pages;

/// <summary>Which role a handler needs. A handler that changes something and names none needs an administrator.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NeedsRoleAttribute(string role) : Attribute
{
    /// <summary>One of <see cref="Roles"/>.</summary>
    public string Role => role;
}

/// <summary>What all pages of the console share.</summary>
internal abstract class ConsolePage : PageModel
{
    /// <summary>Shows times, money, ids.</summary>
    public Show Show => field ??= HttpContext.RequestServices.GetRequiredService<Show>();

    /// <summary>The page's table, when <see cref="TableAsync{T}"/> made one.</summary>
    public TableView? Table { get; private set; }

    /// <summary>Said once on the next page, after a form was sent.</summary>
    [TempData]
    public string? Notice { get; set; }

    /// <summary>Whether the user holds a role.</summary>
    public bool May(string role) => User.IsInRole(role);

    /// <summary>Reads the page of a table that the address asks for.</summary>
    /// <returns>This page, or the whole table as CSV.</returns>
    protected async Task<IActionResult> TableAsync<T>(Table<T> table, CancellationToken ct)
    {
        var database = HttpContext.RequestServices.GetRequiredService<IPwDatabase>();
        if (Request.Query["format"] == "csv") return await table.CsvAsync(HttpContext, database, ct).ConfigureAwait(false);
        Table = await table.ReadAsync(HttpContext, database, ct).ConfigureAwait(false);
        return Page();
    }

    /// <summary>An error within the frame: what happened, what it means, what to try.</summary>
    protected IActionResult Problem(int status, string what, string means, string tryThis) => new ConsoleProblem(status, what, means, tryThis).Result(HttpContext);

    /// <summary>Notes in the audit log what somebody did.</summary>
    protected Task AuditAsync(string action, string subject, JsonObject? detail, CancellationToken ct) =>
        HttpContext.RequestServices.GetRequiredService<AuditLog>().WriteAsync(HttpContext.UserName(), action, subject, detail, ct);

    /// <summary>Goes to a page of ours and says something there.</summary>
    protected IActionResult GoTo(string url, string notice)
    {
        Notice = notice;
        return LocalRedirect(url);
    }
}

/// <summary>Guards every page: its headers, and the role its handler names.</summary>
internal sealed class ConsoleFilter : IAsyncPageFilter
{
    public Task OnPageHandlerSelectionAsync(PageHandlerSelectedContext context) => Task.CompletedTask;

    public async Task OnPageHandlerExecutionAsync(PageHandlerExecutingContext context, PageHandlerExecutionDelegate next)
    {
        Protect(context.HttpContext);
        if (context.HandlerMethod is { } handler && !context.ActionDescriptor.EndpointMetadata.OfType<IAllowAnonymous>().Any())
        {
            var role = handler.MethodInfo.GetCustomAttribute<NeedsRoleAttribute>()?.Role ?? (HttpMethods.IsGet(handler.HttpMethod) ? Roles.Viewer : Roles.Admin);
            if (!context.HttpContext.User.IsInRole(role))
            {
                context.Result = ConsoleProblem.Denied(role).Result(context.HttpContext);
                return;
            }
        }

        await next().ConfigureAwait(false);
    }

    /// <summary>The headers of everything that people see here.</summary>
    public static void Protect(HttpContext http)
    {
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = ConsoleSetup.ContentPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "same-origin";
        headers.CacheControl = "no-cache, no-store";
    }
}
