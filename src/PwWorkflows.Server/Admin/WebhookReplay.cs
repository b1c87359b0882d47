using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Server.Hosting;
using Stripe;

namespace PwWorkflows.Server.Admin;

/// <summary>A line of the webhook inbox.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Provider">Who sent it, such as <c>stripe</c>.</param>
/// <param name="EventId">The sender's id of the event; <c>null</c> for a refused request.</param>
/// <param name="EventType">The sender's type.</param>
/// <param name="ReceivedAt">When it came.</param>
/// <param name="Status"><c>applied</c>, <c>ignored</c>, <c>duplicate</c>, <c>waiting</c>, <c>suspicious</c>, <c>rejected</c> or <c>gave_up</c>.</param>
/// <param name="Reason">Why, for people.</param>
/// <param name="OrderNumber">The orders concerned, parted by blanks.</param>
/// <param name="InstanceId">The workflow instance that took it.</param>
public sealed record InboxLine(
    long Id, string Provider, string? EventId, string? EventType, DateTimeOffset ReceivedAt, string Status, string? Reason, string? OrderNumber, string? InstanceId);

/// <summary>A line of the inbox with all that was kept.</summary>
/// <param name="Line">The line.</param>
/// <param name="Headers">The headers as a JSON object; signatures and secrets were not kept.</param>
/// <param name="Body">The body; <c>null</c> when it was not kept.</param>
/// <param name="WhyNot">Why it can't be replayed; <c>null</c> when it can.</param>
public sealed record InboxEvent(InboxLine Line, string Headers, byte[]? Body, string? WhyNot);

/// <summary>What became of a replay.</summary>
public abstract record ReplayResult
{
    private ReplayResult() { }

    /// <summary>The event was delivered again.</summary>
    /// <param name="EventId">The event.</param>
    /// <param name="Status">What the webhook answered.</param>
    public sealed record Delivered(string EventId, int Status) : ReplayResult;

    /// <summary>There is no such line.</summary>
    public sealed record NotFound : ReplayResult;

    /// <summary>It can't or must not be replayed.</summary>
    /// <param name="Why">Why, and what to do instead.</param>
    public sealed record Refused(string Why) : ReplayResult;
}

/// <summary>Reads the webhook inbox, and delivers an event of it again through the front door.</summary>
public sealed class WebhookReplay(IPwDatabase database, IOptions<ServerOptions> options, IHttpClientFactory clients, TimeProvider time)
{
    /// <summary>Name of the HTTP client.</summary>
    public const string ClientName = "webhook-replay";

    internal const string Columns = "id, provider, event_id, event_type, received_at, status, reason, order_number, instance_id";

    /// <summary>The inbox, newest first.</summary>
    /// <param name="status">Only those of a status; <c>null</c> for all.</param>
    /// <param name="order">Only those of an order; <c>null</c> for all.</param>
    /// <param name="take">At most so many.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<InboxLine>> ListAsync(string? status, string? order, int take, CancellationToken ct) =>
        await database.QueryAsync(
            $"""
             SELECT {Columns} FROM webhook_inbox WHERE (@status = '' OR status = @status) AND (@order = '' OR ' ' || COALESCE(order_number, '') || ' ' LIKE '% ' || @order || ' %')
             ORDER BY id DESC LIMIT @take
             """,
            Parameters.Of(("status", status ?? ""), ("order", order ?? ""), ("take", (long)take)),
            static r => Line(r),
            ct).ConfigureAwait(false);

    /// <summary>A line with what was kept of it; <c>null</c> when there is none.</summary>
    public async Task<InboxEvent?> FindAsync(long id, CancellationToken ct)
    {
        var rows = await database.QueryAsync(
            $"SELECT {Columns}, headers, body FROM webhook_inbox WHERE id = @id",
            Parameters.Of(("id", id)),
            static r => new InboxEvent(Line(r), r.GetString(9), r.IsDBNull(10) ? null : r.GetFieldValue<byte[]>(10), null),
            ct).ConfigureAwait(false);
        return rows is [var found] ? found with { WhyNot = await WhyNotAsync(found, ct).ConfigureAwait(false) } : null;
    }

    /// <summary>The address at which a server can call itself.</summary>
    internal static Uri OwnAddress(IServer server, HttpContext http)
    {
        var own = server.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault() ?? $"http://127.0.0.1:{http.Connection.LocalPort.ToString(CultureInfo.InvariantCulture)}";
        // An address such as http://0.0.0.0:8080 is for listening, not for calling.
        return new UriBuilder(own.Replace("//+", "//127.0.0.1", StringComparison.Ordinal).Replace("//*", "//127.0.0.1", StringComparison.Ordinal).Replace("//0.0.0.0", "//127.0.0.1", StringComparison.Ordinal).Replace("//[::]", "//127.0.0.1", StringComparison.Ordinal)).Uri;
    }

    /// <summary>
    /// Delivers an event again, signed anew. Only events that were recognised and came to nothing are replayed: nothing proves who sent a refused
    /// request, and one that was applied would only be a duplicate.
    /// </summary>
    /// <param name="id">The line.</param>
    /// <param name="server">Address of a running server.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<ReplayResult> ReplayAsync(long id, Uri server, CancellationToken ct)
    {
        if (await FindAsync(id, ct).ConfigureAwait(false) is not { } found) return new ReplayResult.NotFound();
        if (found.WhyNot is not null) return new ReplayResult.Refused(found.WhyNot);
        var (line, body) = (found.Line, found.Body);
        var (eventId, mark, wasReplayed) = Parts(line);

        // The old line stays as history under another id, so that the event counts as new.
        var past = eventId + mark;
        if (!wasReplayed && await RenameAsync(id, eventId!, past, ct).ConfigureAwait(false) == 0) return new ReplayResult.Refused("Somebody else is replaying it.");
        try
        {
            var status = await DeliverAsync(body!, server, ct).ConfigureAwait(false);
            if (status is >= 200 and < 300) return new ReplayResult.Delivered(eventId!, status);
            await RenameAsync(id, past, eventId!, CancellationToken.None).ConfigureAwait(false);
            return new ReplayResult.Refused(string.Create(CultureInfo.InvariantCulture, $"The webhook answered {status}."));
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            await RenameAsync(id, past, eventId!, CancellationToken.None).ConfigureAwait(false);
            ct.ThrowIfCancellationRequested();
            return new ReplayResult.Refused($"The server at {server} did not answer: {e.Message}");
        }
    }

    // A line that was replayed has its number behind its event's id; the event is in the inbox anew, unless that replay never got as far.
    private static (string? EventId, string Mark, bool WasReplayed) Parts(InboxLine line)
    {
        var mark = string.Create(CultureInfo.InvariantCulture, $"#{line.Id}");
        var wasReplayed = line.EventId?.EndsWith(mark, StringComparison.Ordinal) == true;
        return (wasReplayed ? line.EventId![..^mark.Length] : line.EventId, mark, wasReplayed);
    }

    private async Task<string?> WhyNotAsync(InboxEvent found, CancellationToken ct)
    {
        var line = found.Line;
        var (eventId, _, wasReplayed) = Parts(line);
        return (line.Status, line.EventId, line.Provider, found.Body) switch
        {
            ("rejected", _, _, _) or (_, null, _, _) => "It was refused when it came: nothing proves who sent it. Ask the sender to deliver it again.",
            ("applied", _, _, _) => $"It has been applied. If its workflow failed, retry the instance {line.InstanceId}.",
            _ when wasReplayed && await IsKnownAsync(line.Provider, eventId!, ct).ConfigureAwait(false) => "It has been replayed already; look at the newer line of its event.",
            ("duplicate", _, _, _) => "It is a duplicate of an event that was taken.",
            ("waiting", _, _, _) => "It waits for its order and is looked at again by itself.",
            (_, _, not "stripe", _) => $"Events of {line.Provider} can't be replayed; ask the sender to deliver it again.",
            (_, _, _, null) => "Its body was not kept.",
            _ => null,
        };
    }

    private async Task<bool> IsKnownAsync(string provider, string eventId, CancellationToken ct) =>
        (await database.QueryAsync(
            "SELECT COUNT(*) FROM webhook_inbox WHERE provider = @provider AND event_id = @event",
            Parameters.Of(("provider", provider), ("event", eventId)), static r => r.GetInt64(0), ct).ConfigureAwait(false))[0] > 0;

    // When the event has come anew in between, the old line keeps its new name: the unique key would be hurt.
    private Task<int> RenameAsync(long id, string from, string to, CancellationToken ct) =>
        database.ExecuteAsync(
            """
            UPDATE webhook_inbox SET event_id = @to WHERE id = @id AND event_id = @from
              AND NOT EXISTS (SELECT 1 FROM webhook_inbox o WHERE o.provider = webhook_inbox.provider AND o.event_id = @to)
            """,
            Parameters.Of(("to", to), ("id", id), ("from", from)),
            ct);

    private async Task<int> DeliverAsync(byte[] body, Uri server, CancellationToken ct)
    {
        var signature = EventUtility.GenerateSignatureHeader(Encoding.UTF8.GetString(body), options.Value.StripeWebhookSecret, time.GetUtcNow().ToUnixTimeSeconds());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(server, "/api/v1/webhooks/stripe")) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        request.Headers.TryAddWithoutValidation("Stripe-Signature", signature);
        using var client = clients.CreateClient(ClientName);
        using var response = await client.SendAsync(request, ct).ConfigureAwait(false);
        return (int)response.StatusCode;
    }

    internal static InboxLine Line(System.Data.Common.DbDataReader r) =>
        new(r.GetInt64(0), r.GetString(1), r.Text(2), r.Text(3), r.Time(4), r.GetString(5), r.Text(6), r.Text(7), r.Text(8));
}
