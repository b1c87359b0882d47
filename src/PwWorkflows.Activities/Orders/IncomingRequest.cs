using System.Globalization;
using Elsa.Workflows;
using Microsoft.AspNetCore.Http;

namespace PwWorkflows.Activities.Orders;

/// <summary>The HTTP request that the running workflow answers.</summary>
internal sealed record IncomingRequest(ReadOnlyMemory<byte> Body, IHeaderDictionary Headers)
{
    // The endpoint's own limit comes first; this one holds for an engine without.
    private const int Limit = 1024 * 1024;

    /// <summary>Reads it, raw: signatures are over the bytes as they came.</summary>
    /// <exception cref="NonRetryableException">The workflow was not started by an HTTP request, or the body is too large.</exception>
    public static async Task<IncomingRequest> ReadAsync(ActivityExecutionContext context)
    {
        var http = context.GetRequiredService<IHttpContextAccessor>().HttpContext
            ?? throw new NonRetryableException("This step reads an HTTP request: it belongs right behind an HTTP endpoint, in the same run.");
        if (http.Request.Body.CanSeek) http.Request.Body.Position = 0;
        using var buffer = new MemoryStream((int)Math.Clamp(http.Request.ContentLength ?? 4096, 0, Limit));
        var chunk = new byte[16 * 1024];
        int read;
        while ((read = await http.Request.Body.ReadAsync(chunk, context.CancellationToken).ConfigureAwait(false)) > 0)
        {
            if (buffer.Length + read > Limit) throw new NonRetryableException(string.Create(CultureInfo.InvariantCulture, $"The request has more than {Limit} bytes."));
            buffer.Write(chunk, 0, read);
        }

        return new IncomingRequest(buffer.ToArray(), http.Request.Headers);
    }

    public string? Header(string name) => Headers.TryGetValue(name, out var values) && values.Count > 0 ? values[0] : null;
}
