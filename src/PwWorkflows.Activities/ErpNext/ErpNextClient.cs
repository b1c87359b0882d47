using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Options;

namespace PwWorkflows.Activities.ErpNext;

/// <summary>The calls we make to ERPNext (Frappe REST, version 1), nothing more: no order of steps, no memory.</summary>
/// <remarks>
/// Every failure is one of two: <see cref="ErpNextRefusedException"/> (no, and no again) or <see cref="ErpNextUnavailableException"/> (not now).
/// An answer that is not JSON counts as the second, and so does a redirect: none is followed. A 429 is waited out here for a short while, since it changed nothing.
/// </remarks>
public sealed class ErpNextClient
{
    /// <summary>Name of the HTTP client.</summary>
    internal const string HttpClientName = "erpnext";

    private const int RateLimitTries = 3;
    private static readonly TimeSpan LongestRateLimitWait = TimeSpan.FromSeconds(10);

    private readonly IHttpClientFactory _clients;
    private readonly ErpNextOptions _options;
    private readonly TimeProvider _time;

    /// <summary>Creates the client.</summary>
    public ErpNextClient(IHttpClientFactory clients, IOptions<ErpNextOptions> options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        _clients = clients;
        _options = options.Value;
        _time = time;
    }

    /// <summary>Whether ERPNext is set up at all.</summary>
    public bool IsConfigured => _options.Url is not null;

    /// <summary>A document; <c>null</c> when there is none.</summary>
    public async Task<JsonObject?> GetDocumentAsync(string doctype, string name, CancellationToken ct)
    {
        var answer = await SendAsync(HttpMethod.Get, Resource(doctype, name), null, $"read {doctype} {name}", missingIsNull: true, ct).ConfigureAwait(false);
        return answer is null ? null : Data(answer, $"read {doctype} {name}");
    }

    /// <summary>Parent fields of the documents that match all filters, at most <paramref name="limit"/>.</summary>
    /// <param name="doctype">The doctype.</param>
    /// <param name="filters">Field, operator, value; such as <c>("po_no", "=", "CO-1A2B3C4D")</c>.</param>
    /// <param name="fields">The fields wanted.</param>
    /// <param name="limit">How many at most.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<JsonObject>> ListAsync(
        string doctype, IReadOnlyList<(string Field, string Operator, string Value)> filters, IReadOnlyList<string> fields, int limit, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(filters);
        var filter = new JsonArray([.. filters.Select(static f => (JsonNode)new JsonArray(f.Field, f.Operator, f.Value))]).ToJsonString();
        var field = JsonSerializer.Serialize(fields);
        var query = $"?fields={Uri.EscapeDataString(field)}&filters={Uri.EscapeDataString(filter)}&limit_page_length={limit.ToString(CultureInfo.InvariantCulture)}";
        var what = $"list {doctype}";
        var answer = await SendAsync(HttpMethod.Get, Resource(doctype) + query, null, what, false, ct).ConfigureAwait(false);
        return answer?["data"] is JsonArray rows ? [.. rows.OfType<JsonObject>()] : throw Nonsense(what);
    }

    /// <summary>Creates a document and gives it as stored.</summary>
    public async Task<JsonObject> CreateAsync(string doctype, JsonObject fields, CancellationToken ct)
    {
        var what = $"create a {doctype}";
        return Data(await SendAsync(HttpMethod.Post, Resource(doctype), fields, what, false, ct).ConfigureAwait(false), what);
    }

    /// <summary>Changes fields of a document and gives it as stored. With <c>modified</c> among the fields ERPNext refuses when it was changed since.</summary>
    public async Task<JsonObject> UpdateAsync(string doctype, string name, JsonObject fields, CancellationToken ct)
    {
        var what = $"change {doctype} {name}";
        return Data(await SendAsync(HttpMethod.Put, Resource(doctype, name), fields, what, false, ct).ConfigureAwait(false), what);
    }

    /// <summary>The workflow actions allowed now on a document, with the states they lead to.</summary>
    public async Task<IReadOnlyList<SalesOrderTransition>> GetTransitionsAsync(string doctype, string name, CancellationToken ct)
    {
        var what = $"list the transitions of {doctype} {name}";
        var answer = await SendAsync(HttpMethod.Post, "api/method/frappe.model.workflow.get_transitions", DocumentArgument(doctype, name), what, false, ct).ConfigureAwait(false);
        if (answer?["message"] is not JsonArray rows) throw Nonsense(what);
        return [.. rows.OfType<JsonObject>().Select(static r => new SalesOrderTransition(Text(r, "state") ?? "", Text(r, "action") ?? "", Text(r, "next_state") ?? ""))];
    }

    /// <summary>Applies a workflow action and gives the document's new state.</summary>
    public async Task<string> ApplyWorkflowAsync(string doctype, string name, string action, CancellationToken ct)
    {
        var what = $"apply '{action}' to {doctype} {name}";
        var body = DocumentArgument(doctype, name);
        body["action"] = action;
        var answer = await SendAsync(HttpMethod.Post, "api/method/frappe.model.workflow.apply_workflow", body, what, false, ct).ConfigureAwait(false);
        return answer?["message"] is JsonObject document && Text(document, "workflow_state") is { } state ? state : throw Nonsense(what);
    }

    /// <summary>The clear text of a password field. Never log it, never put it into a workflow variable.</summary>
    /// <returns><c>null</c> when there is no such document.</returns>
    public async Task<string?> GetPasswordAsync(string doctype, string name, string field, CancellationToken ct)
    {
        var what = $"read the password of {doctype} {name}";
        var body = new JsonObject { ["doctype"] = doctype, ["name"] = name, ["fieldname"] = field };
        var answer = await SendAsync(HttpMethod.Post, "api/method/frappe.client.get_password", body, what, true, ct, sensitive: true).ConfigureAwait(false);
        return answer is null ? null : answer["message"] is JsonValue value && value.TryGetValue<string>(out var secret) ? secret : throw Nonsense(what);
    }

    /// <summary>Whether ERPNext answers and knows our token (which proves its database too).</summary>
    public async Task<bool> IsHealthyAsync(CancellationToken ct)
    {
        if (!IsConfigured) return false;
        try
        {
            var answer = await SendAsync(HttpMethod.Get, "api/method/frappe.auth.get_logged_user", null, "sign in", false, ct).ConfigureAwait(false);
            return answer?["message"] is not null;
        }
        catch (Exception e) when (e is ErpNextRefusedException or ErpNextUnavailableException)
        {
            return false;
        }
    }

    internal static string? Text(JsonObject document, string field) =>
        document[field] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private async Task<JsonObject?> SendAsync(
        HttpMethod method, string path, JsonObject? body, string what, bool missingIsNull, CancellationToken ct, bool sensitive = false)
    {
        if (_options.Url is not { } baseUrl) throw new NonRetryableException($"ERPNEXT_URL is not set, so we can't {what}.");
        var address = new Uri(baseUrl.AbsoluteUri.TrimEnd('/') + "/" + path);
        for (var attempt = 1; ; attempt++)
        {
            using var client = _clients.CreateClient(HttpClientName);
            using var request = new HttpRequestMessage(method, address);
            request.Headers.Authorization = new AuthenticationHeaderValue(
                "token", sensitive ? $"{_options.SensitiveApiKey}:{_options.SensitiveApiSecret}" : $"{_options.ApiKey}:{_options.ApiSecret}");
            request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue("application/json"));
            if (body is not null) request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");

            HttpStatusCode status;
            string text;
            TimeSpan? retryAfter;
            Uri? location;
            using var timeout = new CancellationTokenSource(_options.Timeout, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
            try
            {
                using var response = await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, either.Token).ConfigureAwait(false);
                status = response.StatusCode;
                text = await response.Content.ReadAsStringAsync(either.Token).ConfigureAwait(false);
                location = response.Headers.Location;
                retryAfter = response.Headers.RetryAfter is { } after ? after.Delta ?? after.Date - _time.GetUtcNow() : null;
            }
            catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
            {
                throw new ErpNextUnavailableException(
                    string.Create(CultureInfo.InvariantCulture, $"ERPNext did not answer within {_options.Timeout.TotalSeconds:0.#} s when asked to {what}."), e, method == HttpMethod.Get);
            }
            catch (HttpRequestException e)
            {
                throw new ErpNextUnavailableException(
                    $"ERPNext could not be reached to {what}: {e.Message}", e, method == HttpMethod.Get || Effects.EffectLedger.ProvesNothingHappened(e));
            }

            if (status == HttpStatusCode.TooManyRequests)
            {
                var wait = retryAfter is { } asked && asked > TimeSpan.Zero ? asked : TimeSpan.FromSeconds(attempt);
                if (attempt >= RateLimitTries || wait > LongestRateLimitWait)
                    throw new ErpNextUnavailableException($"ERPNext is rate limiting us; we could not {what}.", null, nothingHappened: true);
                await Task.Delay(wait, _time, ct).ConfigureAwait(false);
                continue;
            }

            if ((int)status is >= 300 and < 400)
            {
                // 301, 307 and 308 say "ask there instead"; a 302 or 303 may come after the work was done.
                var elsewhere = status is HttpStatusCode.MovedPermanently or HttpStatusCode.TemporaryRedirect or HttpStatusCode.PermanentRedirect;
                throw new ErpNextUnavailableException(
                    $"ERPNext redirected us to {Shown(location, address)} ({(int)status}) when asked to {what}. We don't follow: set ERPNEXT_URL to the site's own address.",
                    null,
                    method == HttpMethod.Get || elsewhere);
            }

            if (status == HttpStatusCode.NotFound && missingIsNull && FrappeError.Parse(status, text).Type == "DoesNotExistError") return null;
            if ((int)status is >= 200 and < 300)
            {
                try
                {
                    return JsonNode.Parse(text) as JsonObject ?? throw Nonsense(what);
                }
                catch (JsonException e)
                {
                    throw new ErpNextUnavailableException($"ERPNext answered something else than JSON when asked to {what}.", e, method == HttpMethod.Get);
                }
            }

            throw Failure(method, what, status, text);
        }
    }

    /// <summary>Where a redirect points, without what may be secret: user, query and fragment.</summary>
    private static string Shown(Uri? location, Uri from)
    {
        if (location is null) return "nowhere";
        var target = new Uri(from, location);
        return target.GetComponents(UriComponents.Scheme | UriComponents.Host | UriComponents.Port | UriComponents.Path, UriFormat.UriEscaped);
    }

    private static Exception Failure(HttpMethod method, string what, HttpStatusCode status, string text)
    {
        var error = FrappeError.Parse(status, text);
        if (error.Type is "TimestampMismatchError" or "QueryDeadlockError" or "QueryTimeoutError")
            return new ErpNextUnavailableException($"ERPNext lost a race when asked to {what}: {error.Type}: {error.Message}", null, nothingHappened: true) { LostRace = true };
        // 401 to 417 come from Frappe's rules after a rollback. A 404 that is no DoesNotExistError is a proxy without its site.
        var fromFrappe = status is not HttpStatusCode.NotFound || error.Type == "DoesNotExistError";
        if ((int)status is >= 400 and < 500 && status is not HttpStatusCode.RequestTimeout && fromFrappe) return new ErpNextRefusedException(what, status, error.Type, error.Message);
        return new ErpNextUnavailableException($"ERPNext answered {(int)status} when asked to {what}: {error.Message}", null, method == HttpMethod.Get);
    }

    private static JsonObject DocumentArgument(string doctype, string name) =>
        new() { ["doc"] = new JsonObject { ["doctype"] = doctype, ["name"] = name }.ToJsonString() };

    private static JsonObject Data(JsonObject? answer, string what) => answer?["data"] as JsonObject ?? throw Nonsense(what);

    private static ErpNextUnavailableException Nonsense(string what) => new($"ERPNext's answer is not understood when asked to {what}.");

    private static string Resource(string doctype, string? name = null) =>
        $"api/resource/{Uri.EscapeDataString(doctype)}" + (name is null ? "" : $"/{Uri.EscapeDataString(name)}");
}
