using System.Net;
using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace PwWorkflows.EndToEnd.Tests.Pages;

/// <summary>The console without a browser: signs in by the form, sends forms with their tokens.</summary>
public sealed partial class ConsoleHttp : IDisposable
{
    private readonly HttpClient _http;
    private bool _signedIn;
    private string? _token;

    private ConsoleHttp(Uri server) => _http = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = server, DefaultRequestHeaders = { { "Accept", "text/html" } } };

    public static async Task<ConsoleHttp> SignInAsync(Uri server, string user, CancellationToken ct, string? password = null)
    {
        var http = new ConsoleHttp(server);
        Assert.Equal(HttpStatusCode.Redirect, (await http.SendAsync("/sign-in", "/sign-in", new() { ["username"] = user, ["password"] = password ?? user }, ct)).Status);
        http._signedIn = true;
        return http;
    }

    /// <summary>Nobody, with a browser.</summary>
    public static ConsoleHttp Stranger(Uri server) => new(server);

    /// <summary>Sends an empty request, a form with its token; what it is answered, 401 when it is led to the sign-in or when who listens is told to stop.</summary>
    public async Task<HttpStatusCode> KnockAsync(string method, string path, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        if (method == "POST") request.Content = new FormUrlEncodedContent(new Dictionary<string, string> { ["__RequestVerificationToken"] = _token ??= await TokenAsync(_signedIn ? "/" : "/sign-in", ct) });
        using var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
        return answer.StatusCode == HttpStatusCode.NoContent || answer.Headers.Location?.ToString().Contains("/sign-in?next=", StringComparison.Ordinal) == true ? HttpStatusCode.Unauthorized : answer.StatusCode;
    }

    /// <summary>Reads a page.</summary>
    public async Task<IDocument> PageAsync(string path, CancellationToken ct, HttpStatusCode status = HttpStatusCode.OK)
    {
        using var answer = await _http.GetAsync(path, ct);
        var text = await answer.Content.ReadAsStringAsync(ct);
        Assert.True(answer.StatusCode == status, $"{path}: {answer.StatusCode} {answer.Headers.Location}\n{text}");
        return new HtmlParser().ParseDocument(text);
    }

    /// <summary>Reads a page, whatever its status is.</summary>
    public async Task<IDocument> AnyPageAsync(string path, CancellationToken ct)
    {
        using var answer = await _http.GetAsync(path, ct);
        return new HtmlParser().ParseDocument(await answer.Content.ReadAsStringAsync(ct));
    }

    public async Task<string> TextAsync(string path, CancellationToken ct) => await _http.GetStringAsync(path, ct);

    /// <summary>Opens a stream of events.</summary>
    public Task<Stream> StreamAsync(string path, CancellationToken ct) => _http.GetStreamAsync(path, ct);

    /// <summary>Sends a form with the token of a page; where it leads and what it says.</summary>
    public async Task<(HttpStatusCode Status, string Body, Uri? Location)> SendAsync(string tokenPage, string path, Dictionary<string, string> fields, CancellationToken ct)
    {
        var form = new Dictionary<string, string>(fields) { ["__RequestVerificationToken"] = await TokenAsync(tokenPage, ct) };
        using var answer = await _http.PostAsync(path, new FormUrlEncodedContent(form), ct);
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync(ct), answer.Headers.Location);
    }

    private async Task<string> TokenAsync(string page, CancellationToken ct) => (await PageAsync(page, ct)).QuerySelector("input[name=__RequestVerificationToken]")!.GetAttribute("value")!;

    /// <summary>The texts of a column of a page's table, without the words of copy buttons.</summary>
    public static IReadOnlyList<string> Column(IDocument page, string title) => [.. page.QuerySelectorAll($"td[data-label='{title}']").Select(c => Blanks().Replace(c.TextContent, " ").Trim())];

    [GeneratedRegex(@"\s+")]
    private static partial Regex Blanks();

    public void Dispose() => _http.Dispose();
}
