using System.Text;

namespace PwWorkflows.Sandbox.Core;

/// <summary>What a handler tells the log about the request it serves.</summary>
public sealed class Exchange
{
    readonly List<string> _changed = [];

    /// <summary>The body as received, or null.</summary>
    public string? Body { get; set; }

    /// <summary>The fault that hit it, or null.</summary>
    public string? Fault { get; set; }

    /// <summary>What it changed.</summary>
    public IReadOnlyList<string> Changes => _changed;

    /// <summary>Adds a change in words, such as <c>Sales Order SAL-ORD-2026-00001: workflow_state Service Queued</c>.</summary>
    public void Changed(string what) => _changed.Add(what);
}

/// <summary>Shortcuts for handlers.</summary>
public static class ExchangeExtensions
{
    /// <summary>The log notes of this request.</summary>
    public static Exchange Exchange(this HttpContext http)
    {
        var exchange = http.Features.Get<Exchange>();
        if (exchange is null) http.Features.Set(exchange = new Exchange());
        return exchange;
    }

    /// <summary>Tells the log that this request changed something.</summary>
    public static void Changed(this HttpContext http, string what) => http.Exchange().Changed(what);

    /// <summary>Reads the body as UTF-8 text and notes it for the log.</summary>
    public static async Task<string> ReadTextAsync(this HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body, Encoding.UTF8);
        var text = await reader.ReadToEndAsync(http.RequestAborted);
        if (text.Length > 0) http.Exchange().Body = text;
        return text;
    }

    /// <summary>Reads a form (url-encoded or multipart, files left out) and notes its fields for the log.</summary>
    public static async Task<IFormCollection> ReadFormNotedAsync(this HttpContext http)
    {
        var form = await http.Request.ReadFormAsync(http.RequestAborted);
        http.Exchange().Body = string.Join('&', form.Select(f => Uri.EscapeDataString(f.Key) + "=" + Uri.EscapeDataString(f.Value.ToString())));
        return form;
    }
}
