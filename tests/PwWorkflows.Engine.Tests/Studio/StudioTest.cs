using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Claims;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PwWorkflows.Engine.Studio;
using PwWorkflows.Engine.Tests.Runtime;
using PwWorkflows.Engine.Tests.Storage;

namespace PwWorkflows.Engine.Tests.Studio;

/// <summary>Lets in whoever names himself and his permissions: <c>Authorization: Test name permission permission</c>.</summary>
internal sealed class NamedCallers(IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger, UrlEncoder encoder) : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    public const string Name = "Test";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        var words = Request.Headers.Authorization.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words is not [Name, var name, ..]) return Task.FromResult(AuthenticateResult.NoResult());
        var identity = new ClaimsIdentity([new Claim(ClaimTypes.Name, name), .. words[2..].Select(w => new Claim(StudioPermissions.ClaimType, w))], Name);
        return Task.FromResult(AuthenticateResult.Success(new AuthenticationTicket(new ClaimsPrincipal(identity), Name)));
    }
}

/// <summary>What an answer was.</summary>
internal sealed record Answer(int Status, JsonElement Body, string Text, HttpResponseMessage Message)
{
    /// <summary>Fails with the differences when status or shape is not the recorded one.</summary>
    public void ShouldLookLike(Capture capture, params string[] except)
    {
        Assert.True(Status == capture.Status, $"Expected {capture.Status}, got {Status}: {Text}");
        if (capture.Body.ValueKind == JsonValueKind.Null) Assert.Equal("", Text);
        else
        {
            var differences = string.Join('\n', Shape.Differences(capture.Body, Body, except).Distinct());
            Assert.True(differences.Length == 0, differences);
        }
    }
}

/// <summary>The Studio API on a host with an engine and a database of its own.</summary>
public abstract class StudioTest(ITestDatabase database) : EngineHostTest(database)
{
    internal Task<EngineHost> StartStudioAsync(Action<EngineOptions>? configure = null, Action<IServiceCollection>? services = null, Action<StudioOptions>? studio = null) => StartAsync(configure, s =>
    {
        s.AddAuthentication(NamedCallers.Name).AddScheme<AuthenticationSchemeOptions, NamedCallers>(NamedCallers.Name, null);
        s.AddStudioApi(studio);
        services?.Invoke(s);
    }, static app => app.MapStudioApi());

    internal static Task<Answer> GetAsync(EngineHost host, string path, string caller = "ada *") => SendAsync(host, HttpMethod.Get, path, null, caller);

    internal static Task<Answer> PostAsync(EngineHost host, string path, object? body = null, string caller = "ada *") => SendAsync(host, HttpMethod.Post, path, body, caller);

    internal static async Task<Answer> SendAsync(EngineHost host, HttpMethod method, string path, object? body, string? caller)
    {
        using var request = new HttpRequestMessage(method, path.StartsWith("/elsa", StringComparison.Ordinal) ? path : "/elsa/api" + path);
        if (caller is not null) request.Headers.Authorization = new AuthenticationHeaderValue(NamedCallers.Name, caller);
        if (body is not null) request.Content = body as HttpContent ?? JsonContent.Create(body);
        var message = await host.Http.SendAsync(request, Ct);
        var text = await message.Content.ReadAsStringAsync(Ct);
        var json = message.Content.Headers.ContentType?.MediaType?.Contains("json", StringComparison.Ordinal) == true && text.Length > 0 ? JsonSerializer.Deserialize<JsonElement>(text) : default;
        return new Answer((int)message.StatusCode, json, text, message);
    }
}
