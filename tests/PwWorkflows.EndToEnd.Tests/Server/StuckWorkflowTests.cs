using System.Net;
using System.Text.Json;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Sandbox;

namespace PwWorkflows.EndToEnd.Tests.Server;

/// <summary>A workflow that stopped is on somebody's list, and goes on from the failed step when the cause is put right.</summary>
public sealed class StuckWorkflowTests : IAsyncLifetime
{
    private const string Definition =
        """
        {
          "id": "fragile-v1", "definitionId": "fragile", "name": "Fragile", "version": 1, "isLatest": true, "isPublished": true, "toolVersion": "3.8.0.0",
          "variables": [], "inputs": [], "outputs": [], "outcomes": [], "customProperties": {}, "options": {},
          "root": {
            "type": "Elsa.Sequence", "version": 1, "id": "main", "name": "Sequence1", "customProperties": {}, "metadata": {}, "variables": [],
            "activities": [
              {
                "type": "Elsa.HttpEndpoint", "version": 1, "id": "start", "name": "HttpEndpoint1", "customProperties": { "canStartWorkflow": true }, "metadata": {},
                "path": { "typeName": "String", "expression": { "type": "Literal", "value": "fragile" } },
                "supportedMethods": { "typeName": "String[]", "expression": { "type": "Object", "value": "[\"POST\"]" } }
              },
              {
                "type": "Pw.EnsureSalesOrder", "version": 1, "id": "link", "name": "EnsureSalesOrder1", "customProperties": {}, "metadata": {},
                "orderNumber": { "typeName": "String", "expression": { "type": "Literal", "value": "CO-0000F001" } }
              }
            ]
          }
        }
        """;

    private readonly TemporaryFolder _folder = new();
    private SandboxHost _sandbox = null!;
    private ServerProcess _server = null!;
    private Dictionary<string, string> _settings = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private string Data => Path.Combine(_folder.FullPath, "data");

    public async ValueTask InitializeAsync()
    {
        _sandbox = await SandboxHost.StartAsync(null, Ct);
        var workflows = Directory.CreateDirectory(Path.Combine(_folder.FullPath, "workflows")).FullName;
        await File.WriteAllTextAsync(Path.Combine(workflows, "fragile.json"), Definition, Ct);
        _settings = SandboxSettings.For(_sandbox.BaseUrl, _sandbox.SmtpPort);
        _settings["PW_WORKFLOWS"] = workflows;
        _settings["WORKFLOW_HTTP_BASE_PATH"] = "/flows/v1";
        _server = await ServerProcess.StartAsync(_settings, Data, Ct);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _sandbox.DisposeAsync();
        _folder.Dispose();
    }

    private async Task<JsonElement> PwAsync(params string[] args)
    {
        var result = await Pw.RunAsync([.. args, "--json", "--data", Data], _settings, Ct);
        Assert.True(result.ExitCode == 0, result.Error);
        return JsonSerializer.Deserialize<JsonElement>(result.Output);
    }

    [Fact]
    public async Task A_stopped_workflow_is_on_the_list_until_a_retry_goes_through()
    {
        using (var elsewhere = await _server.Http.PostAsync("/workflows/fragile", null, Ct)) Assert.Equal(HttpStatusCode.NotFound, elsewhere.StatusCode);
        using var answer = await _server.Http.PostAsync("/flows/v1/fragile", null, Ct);
        Assert.Equal((HttpStatusCode.InternalServerError, "application/problem+json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));

        var instance = Assert.Single((await PwAsync("instances", "list", "--status", "faulted")).EnumerateArray()).GetProperty("id").GetString()!;
        // The caller is told which instance to ask about, and nothing of what failed within.
        var problem = await answer.Content.ReadAsStringAsync(Ct);
        Assert.Equal(instance, JsonSerializer.Deserialize<JsonElement>(problem).GetProperty("workflowInstanceId").GetString());
        Assert.All((string[])["CO-0000F001", "Exception", "EnsureSalesOrder", "link"], word => Assert.DoesNotContain(word, problem, StringComparison.OrdinalIgnoreCase));
        var todo = Assert.Single((await PwAsync("todos", "list")).EnumerateArray());
        Assert.Equal((instance, "fragile"), (todo.GetProperty("order").GetString(), todo.GetProperty("slug").GetString()));
        Assert.Contains("at the step link", todo.GetProperty("instructions").GetString(), StringComparison.Ordinal);
        Assert.Contains("CO-0000F001", todo.GetProperty("instructions").GetString(), StringComparison.Ordinal);
        Assert.Contains((await PwAsync("instances", "journal", instance)).EnumerateArray(), e => e.GetProperty("event").GetString() == "Faulted");

        var order = new { order_number = "CO-0000F001", service_slug = "fcc-499a", amount_cents = 100, customer = new { name = "Fragile Telecom", email = "ann@fragiletelecom.net" }, intake_data = new { } };
        using var placing = new HttpRequestMessage(HttpMethod.Post, "/api/v1/orders") { Content = System.Net.Http.Json.JsonContent.Create(order) };
        placing.Headers.Add("X-Webhook-Secret", _settings["WEBHOOK_SECRET"]);
        using var placed = await _server.Http.SendAsync(placing, Ct);
        Assert.True(placed.IsSuccessStatusCode, await placed.Content.ReadAsStringAsync(Ct));

        var retry = await Pw.RunAsync(["instances", "retry", instance, "--data", Data], _settings, Ct);
        Assert.True(retry.ExitCode == 0, retry.Error);
        await Eventually.TrueAsync(async () => (await PwAsync("instances", "list", "--status", "finished")).GetArrayLength() == 1, "the retried instance ends", Ct);
        Assert.Empty((await PwAsync("todos", "list")).EnumerateArray());
        Assert.Equal("closed", Assert.Single((await PwAsync("todos", "list", "--all")).EnumerateArray()).GetProperty("status").GetString());

        var again = await Pw.RunAsync(["instances", "retry", instance, "--data", Data], _settings, Ct);
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("only a faulted or parked instance", again.Error, StringComparison.Ordinal);
    }
}
