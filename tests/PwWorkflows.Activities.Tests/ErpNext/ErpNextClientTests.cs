using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.ErpNext;

namespace PwWorkflows.Activities.Tests.ErpNext;

/// <summary>The client as it is registered, against a server that points elsewhere.</summary>
public sealed class ErpNextClientTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<string> _requests = new();
    private int _status;
    private string? _location;
    private WebApplication _app = null!;
    private ServiceProvider _services = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private ErpNextClient Client => _services.GetRequiredService<ErpNextClient>();

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _app = builder.Build();
        _app.Run(http =>
        {
            _requests.Enqueue($"{http.Request.Method} {http.Request.Path}");
            http.Response.StatusCode = _status;
            if (_location is not null) http.Response.Headers.Location = _location;
            return Task.CompletedTask;
        });
        await _app.StartAsync(Ct);
        var services = new ServiceCollection().AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ERPNEXT_URL"] = _app.Urls.First(),
            ["ERPNEXT_API_KEY"] = "marked-key",
            ["ERPNEXT_API_SECRET"] = "marked-secret",
        }).Build());
        services.AddErpNext();
        _services = services.BuildServiceProvider();
    }

    public async ValueTask DisposeAsync()
    {
        await _services.DisposeAsync();
        await _app.DisposeAsync();
    }

    [Theory]
    [InlineData(301, true)]
    [InlineData(302, false)]
    [InlineData(303, false)]
    [InlineData(307, true)]
    [InlineData(308, true)]
    public async Task Redirect_is_an_error_that_tells_where_to_and_is_never_followed(int status, bool nothingHappened)
    {
        (_status, _location) = (status, "https://user:marked-password@sso.performancewest.net:8443/login?redirect=x&token=marked-token#marked-fragment");
        foreach (var (proof, call) in ((bool, Func<Task>)[])[
            (true, () => Client.GetDocumentAsync("Sales Order", "SAL-ORD-2026-00042", Ct)),
            (nothingHappened, () => Client.CreateAsync("ToDo", new JsonObject { ["description"] = "x" }, Ct)),
            (nothingHappened, () => Client.UpdateAsync("Sales Order", "SAL-ORD-2026-00042", new JsonObject { ["workflow_state"] = "Filed" }, Ct)),
            (nothingHappened, () => Client.GetPasswordAsync("Sensitive ID", "totp", "secret", Ct))])
        {
            _requests.Clear();
            var error = await Assert.ThrowsAsync<ErpNextUnavailableException>(call);
            Assert.Contains($"https://sso.performancewest.net:8443/login ({status})", error.Message, StringComparison.Ordinal);
            Assert.Contains("ERPNEXT_URL", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("marked", error.ToString(), StringComparison.Ordinal);
            Assert.Equal(proof, error.NothingHappened);
            Assert.Single(_requests);
        }

        Assert.False(await Client.IsHealthyAsync(Ct));
    }

    [Theory]
    [InlineData("/login?token=marked", "/login (302)")]
    [InlineData(null, "nowhere (302)")]
    public async Task Redirect_within_the_site_or_without_a_target_is_an_error_too(string? location, string shown)
    {
        (_status, _location) = (302, location);
        var error = await Assert.ThrowsAsync<ErpNextUnavailableException>(() => Client.CreateAsync("ToDo", [], Ct));
        Assert.Contains(shown, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("marked", error.ToString(), StringComparison.Ordinal);
        Assert.Equal(["POST /api/resource/ToDo"], _requests);
    }
}
