using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using PwWorkflows.Engine.Tests.Runtime;
using PwWorkflows.Engine.Tests.Storage;

namespace PwWorkflows.Engine.Tests.Studio;

/// <summary>The hub that tells viewers of what an instance does, spoken to as a browser does: negotiation, then a WebSocket with JSON frames.</summary>
public sealed class LiveUpdateTests() : StudioTest(new OnSqliteFile())
{
    private const string Hub = "/elsa/hubs/workflow-instance";
    private const char End = '\u001e';

    [Fact]
    public async Task A_viewer_is_told_what_the_stock_server_tells_it_after_each_commit()
    {
        await using var host = await StartStudioAsync();
        await host.PublishAsync("event", Ct);
        var id = (await PostAsync(host, "/workflow-definitions/anchor-event/execute", new { })).Message.Headers.GetValues("x-elsa-workflow-instance-id").Single();
        using var socket = await ConnectAsync(host);
        await SendAsync(socket, new { type = 1, invocationId = "0", target = "ObserveInstanceAsync", arguments = (string[])[id] });
        Assert.Equal("""{"type":3,"invocationId":"0","result":null}""", (await ReceiveAsync(socket)).GetRawText());
        // The state as it is, once: the viewer may have read an older one before it came here.
        var first = await ReceiveAsync(socket);
        Assert.Equal("ActivityExecutionLogUpdatedAsync", first.GetProperty("target").GetString());
        Assert.True(first.GetProperty("arguments")[0].GetProperty("stats").EnumerateArray().Single(s => s.GetProperty("activityId").GetString() == "d1").GetProperty("isBlocked").GetBoolean());
        foreach (var target in (string[])["WorkflowExecutionLogUpdatedAsync", "WorkflowInstanceUpdatedAsync"]) Assert.Equal(target, (await ReceiveAsync(socket)).GetProperty("target").GetString());
        await PostAsync(host, "/events/OrderPaid/trigger", new { workflowInstanceId = id, input = new { amount = 1 }, workflowExecutionMode = "Synchronous" });

        var stock = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "captures", "160-signalr-workflow-instance-hub.json"))).RootElement
            .GetProperty("frames").EnumerateArray().Select(f => f.GetProperty("frame")).Where(f => f.TryGetProperty("target", out var t) && t.GetString() != "ObserveInstanceAsync").Take(3).ToList();
        foreach (var there in stock)
        {
            var here = await ReceiveAsync(socket);
            Assert.Equal(there.GetProperty("target").GetString(), here.GetProperty("target").GetString());
            var differences = Shape.Differences(there, here, "$.arguments[].stats[].metadata", "$.arguments[].workflowInstanceId");
            Assert.True(differences.Count == 0, string.Join('\n', differences));
            if (here.GetProperty("target").GetString() == "WorkflowInstanceUpdatedAsync") Assert.Equal(id, here.GetProperty("arguments")[0].GetProperty("workflowInstanceId").GetString());
            if (here.GetProperty("target").GetString() != "ActivityExecutionLogUpdatedAsync") continue;
            var stats = here.GetProperty("arguments")[0].GetProperty("stats").EnumerateArray().ToDictionary(s => s.GetProperty("activityId").GetString()!);
            Assert.Equal((1, false), (stats["d1"].GetProperty("completedCount").GetInt32(), stats["d1"].GetProperty("isBlocked").GetBoolean()));
            Assert.True(stats["d2"].GetProperty("isBlocked").GetBoolean());
        }

        await SendAsync(socket, new { type = 1, invocationId = "1", target = "ObserveInstanceAsync", arguments = (string[])["nope"] });
        Assert.Contains("Access denied.", (await ReceiveAsync(socket)).GetProperty("error").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Strangers_and_those_who_may_not_look_are_refused()
    {
        await using var host = await StartStudioAsync();
        Assert.Equal(401, (await SendAsync(host, HttpMethod.Post, Hub + "/negotiate?negotiateVersion=1", null, null)).Status);
        Assert.Equal(403, (await SendAsync(host, HttpMethod.Post, Hub + "/negotiate?negotiateVersion=1", null, "eve write:workflow-instances")).Status);
        Assert.Equal(200, (await SendAsync(host, HttpMethod.Post, Hub + "/negotiate?negotiateVersion=1", null, "bob read:*")).Status);
    }

    private static async Task<ClientWebSocket> ConnectAsync(EngineHost host)
    {
        var negotiated = await SendAsync(host, HttpMethod.Post, Hub + "/negotiate?negotiateVersion=1", null, "bob read:workflow-instances");
        Assert.Equal(200, negotiated.Status);
        var socket = new ClientWebSocket();
        socket.Options.SetRequestHeader("Authorization", "Test bob read:workflow-instances");
        await socket.ConnectAsync(new UriBuilder(host.Http.BaseAddress!) { Scheme = "ws", Path = Hub, Query = "id=" + Uri.EscapeDataString(negotiated.Body.GetProperty("connectionToken").GetString()!) }.Uri, Ct);
        await SendAsync(socket, new { protocol = "json", version = 1 });
        Assert.Equal("{}", (await ReceiveAsync(socket)).GetRawText());
        return socket;
    }

    private static Task SendAsync(ClientWebSocket socket, object frame) =>
        socket.SendAsync(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(frame) + End), WebSocketMessageType.Text, true, Ct);

    /// <summary>The next frame that is not a ping.</summary>
    private static async Task<JsonElement> ReceiveAsync(ClientWebSocket socket)
    {
        var buffer = new byte[1];
        while (true)
        {
            // One byte after the other: frames may come together.
            var bytes = new List<byte>();
            while (true)
            {
                await socket.ReceiveAsync(buffer, Ct);
                if (buffer[0] == End) break;
                bytes.Add(buffer[0]);
            }
            var frame = JsonSerializer.Deserialize<JsonElement>(bytes.ToArray());
            if (!frame.TryGetProperty("type", out var type) || type.GetInt32() != 6) return frame;
        }
    }
}
