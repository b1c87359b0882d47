using System.Net;
using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>The console without a browser: signs in by the form, sends forms with their tokens.</summary>
public sealed partial class ConsoleHttp : IDisposable
{
    private readonly HttpClient _http;

    private ConsoleHttp(Uri server) => _http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = server, DefaultRequestHeaders = { { "Accept", "text/html" } } };

    public static async Task<ConsoleHttp> SignInAsync(Uri server, string user, CancellationToken ct, string? password = null)
    {
        var http = new ConsoleHttp(server);
        Assert.Equal(HttpStatusCode.Redirect, (await http.SendAsync("/sign-in", "/sign-in", new() { ["username"] = user, ["password"] = password ?? user }, ct)).Status);
        return http;
    }

    /// <summary>Reads a page.</summary>
    public async Task<IDocument> PageAsync(string path, CancellationToken ct, HttpStatusCode status = HttpStatusCode.OK)
    {
        using var answer = await _http.GetAsync(path, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        Assert.True(answer.StatusCode == status, $"{path}: {answer.StatusCode} {answer.Headers.Location}\n{text}");
        return new HtmlParser().ParseDocument(text);
    }

    public async Task<string> TextAsync(string path, CancellationToken ct) => await _http.GetStringAsync(path, ct);

    /// <summary>Opens a stream of events.</summary>
    public Task<Stream> StreamAsync(string path, CancellationToken ct) => _http.GetStreamAsync(path, ct);

    /// <summary>Sends a form with the token of a page; where it leads and what it says.</summary>
    public async Task<(HttpStatusCode Status, string Body, Uri? Location)> SendAsync(string tokenPage, string path, Dictionary<string, string> fields, CancellationToken ct)
    {
        var page = await PageAsync(tokenPage, ct);
        var form = new Dictionary<string, string>(fields) { ["__RequestVerificationToken"] = page.QuerySelector("input[name=__RequestVerificationToken]")!.GetAttribute("value")! };
        using var answer = await _http.PostAsync(path, new FormUrlEncodedContent(form), ct);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(ct), answer.Headers.Location);
    }

    /// <summary>The texts of a column of a page's table, without the words of copy buttons.</summary>
    public static IReadOnlyList<string> Column(IDocument page, string title) => [.. page.QuerySelectorAll($"td[data-label='{title}']").Select(c => Blanks().Replace(c.TextContent, " ").Trim())];

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    public void Dispose() => _http.Dispose();
}
