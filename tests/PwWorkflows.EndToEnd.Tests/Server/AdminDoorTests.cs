using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PwWorkflows.Server.Admin;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>Each door of the admin API names who may come in.</summary>
public sealed class AdminDoorTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task An_endpoint_that_forgets_its_role_is_the_administrators()
    {
        await using var app = WebApplication.CreateSlimBuilder().Build();
        var admin = Capabilities.MapAdmin(app);
        admin.MapGet("/forgotten", static () => "");
        admin.MapGroup("/below").MapGet("/forgotten", static () => "");
        admin.MapGroup("/named").MapGet("/reading", static () => "").RequireAuthorization(Roles.Viewer);
        Assert.Equal([("/api/v1/admin/forgotten", "admin"), ("/api/v1/admin/below/forgotten", "admin"), ("/api/v1/admin/named/reading", "viewer")], Doors(app));
    }

    [Fact]
    public async Task Every_endpoint_of_the_admin_api_but_the_sign_in_asks_for_a_role()
    {
        // Built and not started: nothing is connected to.
        await using var app = ServerHost.Build(new HostSettings(Path.Combine(AppContext.BaseDirectory, "env.sandbox"), _folder.FullPath, "http://127.0.0.1:0", QuietLogs: true));
        var doors = Doors(app).Where(d => d.Path.StartsWith("/api/v1/admin", StringComparison.Ordinal)).ToList();
        Assert.True(doors.Count > 40, $"found {doors.Count}");
        Assert.All(doors.Where(d => d.Path != "/api/v1/admin/login"), d => Assert.True(Roles.All.Contains(d.Role), $"{d.Path}: '{d.Role}'"));
    }

    private static IEnumerable<(string Path, string Role)> Doors(IEndpointRouteBuilder app) => app.DataSources.SelectMany(s => s.Endpoints).OfType<RouteEndpoint>().Select(e =>
        ("/" + e.RoutePattern.RawText?.TrimStart('/'), string.Join(',', e.Metadata.GetOrderedMetadata<IAuthorizeData>().Select(a => a.Policy))));
}
