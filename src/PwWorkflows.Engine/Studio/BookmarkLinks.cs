using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Elsa.Expressions.Helpers;
using Elsa.Workflows.Runtime;
using Elsa.Workflows.Runtime.Options;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Scheduling;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Studio;

/// <summary>
/// Signs links that resume one bookmark of one instance, for whoever holds them: a token is instance, bookmark and end with an HMAC-SHA256 over them. Nothing of it is stored; a bookmark that is gone makes its links do nothing.
/// </summary>
public sealed class BookmarkLinks
{
    private const int LongestToken = 1000;
    private readonly StudioOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Creates the signer.</summary>
    public BookmarkLinks(StudioOptions options, TimeProvider time) => (_options, _time) = (options, time);

    /// <summary>Path and query of a link, to be put behind the server's address.</summary>
    /// <param name="instanceId">The instance.</param>
    /// <param name="bookmarkId">Its bookmark.</param>
    /// <param name="expiresAt">From then on the link does nothing.</param>
    public string Create(string instanceId, string bookmarkId, DateTimeOffset expiresAt)
    {
        ArgumentException.ThrowIfNullOrEmpty(instanceId);
        ArgumentException.ThrowIfNullOrEmpty(bookmarkId);
        var payload = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{instanceId}\n{bookmarkId}\n{expiresAt.ToUnixTimeSeconds()}"));
        return $"{_options.BasePath}/api/bookmarks/resume?t={WebEncoders.Base64UrlEncode(payload)}.{WebEncoders.Base64UrlEncode(HMACSHA256.HashData(_options.LinkKey.Span, payload))}";
    }

    /// <summary>What a token stands for; <c>null</c> when it is forged or its time is over.</summary>
    internal (string InstanceId, string BookmarkId)? Read(string? token)
    {
        if (token is null || token.Length > LongestToken || token.Split('.') is not [var text, var signature]) return null;
        try
        {
            var payload = WebEncoders.Base64UrlDecode(text);
            if (!CryptographicOperations.FixedTimeEquals(HMACSHA256.HashData(_options.LinkKey.Span, payload), WebEncoders.Base64UrlDecode(signature))) return null;
            return Encoding.UTF8.GetString(payload).Split('\n') is [var instance, var bookmark, var until] && long.Parse(until, CultureInfo.InvariantCulture) > _time.GetUtcNow().ToUnixTimeSeconds() ? (instance, bookmark) : null;
        }
        catch (FormatException)
        {
            return null;
        }
    }

    internal static void Map(IEndpointRouteBuilder api) => api.MapMethods("/bookmarks/resume", ["GET", "POST"], ResumeAsync).AllowAnonymous();

    private static async Task<IResult> ResumeAsync(HttpRequest request, BookmarkLinks links, IEngineStore store, IBookmarkQueue queue, CancellationToken ct)
    {
        if (links.Read(request.Query["t"]) is not var (instance, bookmark)) return StudioJson.Wrong("Invalid token.");
        var (body, problem) = HttpMethods.IsPost(request.Method) ? await StudioJson.ReadAsync(request, ct) : ([], null);
        if (problem is not null) return problem;
        // One that was resumed already answers the same: whoever clicks twice has done nothing wrong.
        if (await store.GetBookmarkAsync(bookmark, ct) is { } row && row.InstanceId == instance)
            await queue.EnqueueAsync(new NewBookmarkQueueItem { WorkflowInstanceId = instance, BookmarkId = bookmark, Options = new ResumeBookmarkOptions { Input = body["input"] is JsonObject input ? input.ToDictionary(static p => p.Key, static p => PlainObjectConverter.ToPlain(p.Value)!) : null } }, ct);
        return Results.Ok();
    }
}
