using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using PwWorkflows.Sandbox;

namespace PwWorkflows.EndToEnd.Tests.Infrastructure;

/// <summary>One sandbox and one server on SQLite that the tests which only look or add share.</summary>
public sealed class RunningServer : IAsyncLifetime
{
    private readonly TemporaryFolder _folder = new();

    public SandboxHost Sandbox { get; private set; } = null!;

    public ServerProcess Server { get; private set; } = null!;

    public Dictionary<string, string> Settings { get; private set; } = null!;

    public string Data => Path.Combine(_folder.FullPath, "data");

    public HttpClient Http => Server.Http;

    public async ValueTask InitializeAsync()
    {
        var ct = TestContext.Current.CancellationToken;
        Sandbox = await SandboxHost.StartAsync(null, ct);
        Settings = SandboxSettings.For(Sandbox.BaseUrl, Sandbox.SmtpPort);
        Server = await ServerProcess.StartAsync(Settings, Data, ct);
        using var _ = await Sandbox.Http.PostAsJsonAsync("stripe/_server", new { url = Server.BaseUrl.ToString() }, ct);
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Sandbox.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>Signs in; the token of a user of the sandbox.</summary>
    public Task<string> TokenAsync(string user, CancellationToken ct) => Api.TokenAsync(Http, user, user, ct);
}

/// <summary>Short ways through the admin API.</summary>
public static class Api
{
    public static async Task<string> TokenAsync(HttpClient http, string user, string password, CancellationToken ct)
    {
        using var answer = await http.PostAsJsonAsync("/api/v1/admin/login", new { username = user, password }, ct);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<JsonElement>(ct)).GetProperty("token").GetString()!;
    }

    public static async Task<HttpResponseMessage> SendAsync(HttpClient http, HttpMethod method, string path, string? token, object? body, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(method, path);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null) request.Content = JsonContent.Create(body);
        return await http.SendAsync(request, ct);
    }

    public static async Task<JsonElement> GetAsync(HttpClient http, string path, string token, CancellationToken ct)
    {
        using var answer = await SendAsync(http, HttpMethod.Get, path, token, null, ct);
        answer.EnsureSuccessStatusCode();
        return await answer.Content.ReadFromJsonAsync<JsonElement>(ct);
    }

    /// <summary>Checks that an answer is a problem document without internals, and gives it.</summary>
    public static async Task<JsonElement> ProblemAsync(HttpResponseMessage answer, int status, CancellationToken ct)
    {
        var text = await answer.Content.ReadAsStringAsync(ct);
        Assert.True((int)answer.StatusCode == status, $"Expected {status}, got {(int)answer.StatusCode}: {text}");
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        var problem = JsonSerializer.Deserialize<JsonElement>(text);
        Assert.Equal(status, problem.GetProperty("status").GetInt32());
        Assert.NotEmpty(problem.GetProperty("title").GetString()!);
        Assert.NotEmpty(problem.GetProperty("trace_id").GetString()!);
        Assert.DoesNotContain("Exception", text, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", text, StringComparison.Ordinal);
        return problem;
    }
}
