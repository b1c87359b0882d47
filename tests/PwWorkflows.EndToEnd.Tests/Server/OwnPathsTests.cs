using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Engine;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>Nobody can draw a workflow at an address of the server itself.</summary>
public sealed class OwnPathsTests
{
    [Fact]
    public async Task Every_page_and_api_of_the_server_is_kept_from_workflows_and_nothing_else_is()
    {
        using var folder = new TemporaryFolder();
        await using var app = ServerHost.Build(new HostSettings(Path.Combine(AppContext.BaseDirectory, "env.sandbox"), folder.FullPath, "http://127.0.0.1:0", QuietLogs: true));
        var options = app.Services.GetRequiredService<EngineOptions>();
        var kept = options.HttpReservedPaths;
        var own = ((IEndpointRouteBuilder)app).DataSources.SelectMany(static d => d.Endpoints).OfType<RouteEndpoint>().Select(static e => "/" + e.RoutePattern.RawText!.Trim('/')).Where(static p => p != "/").Distinct().ToList();
        Assert.True(own.Count > 100, $"{own.Count} endpoints");
        // Studio has links below the base path of workflows: there a workflow's own path is what follows.
        Assert.All(own, p => Assert.Contains(kept, k => (new PathString(p).StartsWithSegments(options.HttpBasePath, out var rest) ? rest : new PathString(p)).StartsWithSegments(k)));
        Assert.All(kept, k => Assert.Contains(own, p => new PathString(p).StartsWithSegments(k)));

        var login = """{"definitionId":"x","name":"x","root":{"type":"Elsa.HttpEndpoint","id":"e","customProperties":{"canStartWorkflow":true},"path":{"typeName":"String","expression":{"type":"Literal","value":"api/v1/admin/login"} } } }""";
        Assert.Contains("at an address of the server itself (/api/v1/admin)", Assert.Single(app.Services.GetRequiredService<DefinitionPublisher>().Check(login)).Message, StringComparison.Ordinal);
    }
}
