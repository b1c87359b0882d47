using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Html;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.Filters;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Mvc.Rendering;
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

    /// <summary>What the page is about for <see cref="LiveFeed"/>, so that its live parts are renewed when that changes; <c>null</c> for a page that stays as it was read.</summary>
    public virtual string? Topic => null;

    /// <summary>The mark of <see cref="Topic"/> right before the page was read.</summary>
    public string? Seen { get; internal set; }

    /// <summary>For the attribute <c>data-live</c> of a part: topic and mark.</summary>
    public string? Live => Topic is null ? null : $"{Topic}~{Seen}";

    /// <summary>The address of the page as it was asked for, for a part that is renewed from the whole page.</summary>
    public string Address => Request.Path + Request.QueryString.ToString();

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

    /// <summary>Shows the page of a list that the address asks for.</summary>
    /// <returns>This page, or the whole list as CSV.</returns>
    protected IActionResult ListOf<T>(ListTable<T> table)
    {
        if (table.IsCsv(HttpContext)) return table.Csv(HttpContext);
        Table = table.Read(HttpContext);
        return Page();
    }

    /// <summary>A form for a cell of a table, with the token that forms carry.</summary>
    /// <param name="handler">The page's handler that takes it.</param>
    /// <param name="hidden">What it sends besides its fields.</param>
    /// <param name="inside">Its fields and buttons.</param>
    protected IHtmlContent CellForm(string handler, IReadOnlyList<(string Name, string Value)> hidden, params IReadOnlyList<IHtmlContent> inside)
    {
        var form = new TagBuilder("form") { Attributes = { ["method"] = "post", ["action"] = $"{Request.Path}?handler={handler}", ["class"] = "inline" } };
        var token = HttpContext.RequestServices.GetRequiredService<IAntiforgery>().GetAndStoreTokens(HttpContext);
        foreach (var (name, value) in hidden.Append((token.FormFieldName, token.RequestToken!)))
            form.InnerHtml.AppendHtml(new TagBuilder("input") { TagRenderMode = TagRenderMode.SelfClosing, Attributes = { ["type"] = "hidden", ["name"] = name, ["value"] = value } });
        foreach (var part in inside) form.InnerHtml.AppendHtml(part);
        return form;
    }

    /// <summary>A button that sends its form.</summary>
    /// <param name="text">What it says.</param>
    /// <param name="label">What it says by itself, without the row around it.</param>
    /// <param name="ask">What is asked first; <c>null</c>: nothing.</param>
    /// <param name="css">Its class.</param>
    protected static IHtmlContent CellButton(string text, string label, string? ask = null, string? css = null)
    {
        var button = new TagBuilder("button") { Attributes = { ["type"] = "submit", ["aria-label"] = label } };
        if (ask is not null) button.Attributes["data-ask"] = ask;
        if (css is not null) button.AddCssClass(css);
        button.InnerHtml.Append(text);
        return button;
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

        // Before it is read: a change in between then counts as new.
        if (context.HandlerInstance is ConsolePage { Topic: { } topic } page && HttpMethods.IsGet(context.HttpContext.Request.Method) && context.HttpContext.RequestServices.GetRequiredService<LiveFeed>() is { } feed)
            page.Seen = await feed.FreshMarkAsync(topic).ConfigureAwait(false);
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
