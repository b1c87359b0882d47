using System.Globalization;
using System.Text;

namespace PwWorkflows.Activities.Regulatory;

/// <summary>A page of a regulator as it came.</summary>
/// <param name="Url">Where it came from.</param>
/// <param name="ContentType">Its media type.</param>
/// <param name="Content">Its bytes.</param>
public sealed record PublicPage(Uri Url, string ContentType, ReadOnlyMemory<byte> Content)
{
    /// <summary>Its text (UTF-8).</summary>
    public string Text => Encoding.UTF8.GetString(Content.Span);
}

/// <summary>A page can't be read now: down, too slow, an error. Worth another try.</summary>
public sealed class PageUnavailableException : Exception
{
    /// <summary>Creates the exception.</summary>
    public PageUnavailableException() { }

    /// <summary>Creates the exception with what happened.</summary>
    public PageUnavailableException(string message) : base(message) { }

    /// <summary>Creates the exception with what happened and its cause.</summary>
    public PageUnavailableException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>A page is not as expected. Nothing was read from it; a person must look.</summary>
public sealed class PageShapeException : NonRetryableException
{
    /// <summary>Creates the exception.</summary>
    public PageShapeException() { }

    /// <summary>Creates the exception with what is different.</summary>
    public PageShapeException(string message) : base(message) { }

    /// <summary>Creates the exception with what is different and its cause.</summary>
    public PageShapeException(string message, Exception innerException) : base(message, innerException) { }
}

/// <summary>Reads public pages; changes nothing anywhere.</summary>
public sealed class PublicPages(IHttpClientFactory clients)
{
    /// <summary>Name of the HTTP client.</summary>
    internal const string HttpClientName = "public-pages";

    /// <summary>Longest page taken, in bytes.</summary>
    internal const int MaxBytes = 64 * 1024 * 1024;

    /// <summary>How long a page may take.</summary>
    internal static readonly TimeSpan Timeout = TimeSpan.FromSeconds(60);

    /// <summary>Reads a page.</summary>
    /// <exception cref="PageUnavailableException">It can't be read now.</exception>
    public async Task<PublicPage> GetAsync(Uri url, CancellationToken ct)
    {
        ArgumentNullException.ThrowIfNull(url);
        using var client = clients.CreateClient(HttpClientName);
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.UserAgent.ParseAdd("PerformanceWest-Compliance/1.0");
        try
        {
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseContentRead, ct).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode) throw new PageUnavailableException(string.Create(CultureInfo.InvariantCulture, $"{url} answered {(int)response.StatusCode}."));
            var content = await response.Content.ReadAsByteArrayAsync(ct).ConfigureAwait(false);
            return new PublicPage(url, response.Content.Headers.ContentType?.MediaType ?? "application/octet-stream", content);
        }
        catch (HttpRequestException e)
        {
            throw new PageUnavailableException($"{url} can't be read: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!ct.IsCancellationRequested)
        {
            throw new PageUnavailableException(string.Create(CultureInfo.InvariantCulture, $"{url} did not answer within {Timeout.TotalSeconds:0} s."), e);
        }
    }
}
