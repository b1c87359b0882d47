using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using PwWorkflows.Engine.Tests.Storage;

namespace PwWorkflows.Engine.Tests.Studio;

/// <summary>What the designer asks before it shows anything.</summary>
public sealed class DescriptorTests() : StudioTest(new OnSqliteFile())
{
    /// <summary>Activities that a stock server has and this one does not.</summary>
    private static readonly string[] NotHere =
    [
        "Elsa.DownloadHttpFile", "Elsa.Fork", "Elsa.Inline", "Elsa.StateMachine", "Elsa.WriteFileHttpResponse", "Elsa.Workflows.Activities.DynamicActivity", "Elsa.Workflows.Management.Activities.HostMethod.HostMethodActivity",
        "Elsa.Workflows.Management.Activities.WorkflowDefinitionActivity.WorkflowDefinitionActivity", "Sample.AwaitApproval",
    ];

    /// <summary>What is different on purpose: there is one channel; headers may hold secrets; a cron schedule has a time zone and shows its next runs; statuses with two names are offered once; own words.</summary>
    private static readonly string[] Different =
    [
        "Elsa.DispatchWorkflow.inputs.ChannelName.uiSpecifications", "Elsa.BulkDispatchWorkflows.inputs.ChannelName.uiSpecifications", "Elsa.SendHttpRequest.inputs.RequestHeaders.isSensitive",
        "Elsa.FlowSendHttpRequest.inputs.RequestHeaders.isSensitive", "Elsa.Cron.inputs.TimeZone", "Elsa.Cron.inputs.CronExpression.uiSpecifications", "Elsa.WriteHttpResponse.inputs.StatusCode.uiSpecifications",
        "Elsa.HttpEndpoint.inputs.Path.uiSpecifications", "Elsa.HttpEndpoint.outputs.Files.typeName", "Elsa.HttpEndpoint.outputs.File.typeName", "Elsa.Workflow.description", "Elsa.NotFoundActivity.description",
        "Elsa.Workflow.ports.Root.isBrowsable",
    ];

    [Fact]
    public async Task Activity_descriptors_have_the_shape_and_the_determined_values_of_the_contract()
    {
        await using var host = await StartStudioAsync();
        var stock = Capture.Read("014-descriptors-activities");
        var answer = await GetAsync(host, "/descriptors/activities?Refresh=True");
        Assert.Equal(200, answer.Status);
        var ours = answer.Body.GetProperty("items").EnumerateArray().ToDictionary(i => i.GetProperty("typeName").GetString()!);
        Assert.Equal(ours.Count, answer.Body.GetProperty("count").GetInt32());
        var wrong = new List<string>();
        foreach (var there in stock.Body.GetProperty("items").EnumerateArray())
        {
            var name = there.GetProperty("typeName").GetString()!;
            if (NotHere.Contains(name)) continue;
            if (!ours.TryGetValue(name, out var here))
            {
                wrong.Add($"{name} is missing");
                continue;
            }
            Same(name, there, here, "namespace", "name", "version", "category", "displayName", "description", "kind", "runAsynchronously", "isContainer", "isBrowsable", "isStart", "isTerminal");
            foreach (var list in (string[])["inputs", "outputs", "ports"])
            {
                var mine = here.GetProperty(list).EnumerateArray().ToDictionary(x => x.GetProperty("name").GetString()!);
                foreach (var x in there.GetProperty(list).EnumerateArray())
                {
                    var member = x.GetProperty("name").GetString()!;
                    if (!mine.TryGetValue(member, out var y)) wrong.Add($"{name}.{list}.{member} is missing");
                    else Same($"{name}.{list}.{member}", x, y, list switch
                    {
                        "inputs" => ["displayName", "description", "typeName", "order", "isBrowsable", "isSerializable", "isSynthetic", "isWrapped", "uiHint", "category", "defaultValue", "defaultSyntax", "isReadOnly", "isSensitive", "autoEvaluate", "uiSpecifications"],
                        "outputs" => ["displayName", "description", "typeName", "order", "isBrowsable", "isSynthetic"],
                        _ => ["displayName", "type", "isBrowsable"],
                    });
                    mine.Remove(member);
                }
                wrong.AddRange(mine.Keys.Select(k => $"{name}.{list}.{k}").Where(k => !Different.Contains(k)).Select(k => $"{k} is only here"));
            }
        }
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));

        void Same(string where, JsonElement a, JsonElement b, params string[] properties)
        {
            foreach (var p in properties)
            {
                var (x, y) = (a.TryGetProperty(p, out var v) ? v : default, b.TryGetProperty(p, out var w) ? w : default);
                // The stock server has no name for such a type, and shows another text.
                if (Different.Contains($"{where}.{p}") || p == "typeName" && v.GetString()!.StartsWith("UnregisteredClrType:", StringComparison.Ordinal)) continue;
                if (x.ValueKind != y.ValueKind || x.ValueKind != JsonValueKind.Undefined && !JsonElement.DeepEquals(x, y)) wrong.Add($"{where}.{p}: {x} there, {y} here");
            }
        }
    }

    [Fact]
    public async Task One_activity_is_described_as_in_the_list_and_an_unknown_one_is_not_found()
    {
        await using var host = await StartStudioAsync();
        (await GetAsync(host, "/descriptors/activities/Elsa.FlowDecision")).ShouldLookLike(Capture.Read("016-descriptors-activity-one"));
        Assert.Equal(404, (await GetAsync(host, "/descriptors/activities/No.Such")).Status);
    }

    [Theory]
    [InlineData("017-expression-descriptors", "type")]
    [InlineData("018-storage-drivers", "typeName")]
    [InlineData("020-activation-strategies", "typeName")]
    [InlineData("021-incident-strategies", "typeName")]
    [InlineData("022-commit-strategies-workflows", "name")]
    [InlineData("023-commit-strategies-activities", "name")]
    [InlineData("024-log-persistence-strategies", "typeName")]
    public async Task Choices_are_those_of_the_contract(string capture, string key)
    {
        await using var host = await StartStudioAsync();
        var stock = Capture.Read(capture);
        var answer = await GetAsync(host, stock.Path);
        answer.ShouldLookLike(stock, "$.items[].properties");
        var (there, here) = (Items(stock.Body), Items(answer.Body));
        Assert.Equal(there.Select(i => i.GetProperty(key).GetString()), here.Select(i => i.GetProperty(key).GetString()));
        foreach (var (a, b) in there.Zip(here))
            foreach (var p in a.EnumerateObject().Where(p => p.Name != "description"))
                Assert.True(JsonElement.DeepEquals(p.Value, b.GetProperty(p.Name)), $"{p.Name} of {a}");
    }

    [Fact]
    public async Task Variable_types_are_those_that_definitions_may_use()
    {
        await using var host = await StartStudioAsync();
        var stock = Capture.Read("019-variable-types");
        var answer = await GetAsync(host, stock.Path);
        answer.ShouldLookLike(stock);
        Assert.All(Items(answer.Body), i => Assert.NotNull(PwWorkflows.Engine.Definitions.TypeAliases.Find(i.GetProperty("typeName").GetString())));
        Assert.Superset(Items(answer.Body).Select(i => i.GetProperty("typeName").GetString()).ToHashSet(), Items(stock.Body).Select(i => i.GetProperty("typeName").GetString()).ToHashSet());
    }

    [Fact]
    public async Task Version_features_and_converters_answer_as_recorded()
    {
        await using var host = await StartStudioAsync();
        (await SendAsync(host, HttpMethod.Get, "/package/version", null, null)).ShouldLookLike(Capture.Read("009-package-version"));
        (await GetAsync(host, "/features/installed")).ShouldLookLike(Capture.Read("010-features"));
        (await GetAsync(host, "/features/installed/Elsa.Http")).ShouldLookLike(Capture.Read("011-feature-by-name"));
        (await GetAsync(host, "/features/installed/Elsa.RealTimeWorkflowUpdates")).ShouldLookLike(Capture.Read("012-feature-realtime"));
        (await GetAsync(host, "/features/installed/No.Such.Feature")).ShouldLookLike(Capture.Read("013-feature-missing"));
        (await GetAsync(host, "/descriptors/output-converters?sourceType=String&destinationType=Int32")).ShouldLookLike(Capture.Read("025-output-converters"));
    }

    [Fact]
    public async Task Options_of_a_path_show_its_address_and_those_of_a_schedule_its_next_five_runs_in_its_zone()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2026, 3, 6, 12, 0, 0, TimeSpan.Zero));
        await using var host = await StartStudioAsync(services: s => s.AddSingleton<TimeProvider>(clock));
        var stock = Capture.Read("172-studio-input-options");
        var path = await PostAsync(host, stock.Path, stock.RequestBody);
        path.ShouldLookLike(stock);
        (await PostAsync(host, stock.Path, Capture.Read("028-activity-input-options-http").RequestBody)).ShouldLookLike(Capture.Read("028-activity-input-options-http"));
        Assert.Equal($"{host.Http.BaseAddress}workflows/", path.Body.GetProperty("items").GetProperty("singleline").GetProperty("adornmentText").GetString());

        var cron = await PostAsync(host, "/descriptors/activities/Elsa.Cron/options/CronExpression", new
        {
            context = new { cronExpression = Literal("0 9 * * *"), timeZone = Literal("America/New_York") },
        });
        // Clocks go forward on the 8th: nine o'clock stays nine o'clock.
        Assert.Equal("next: Fri 2026-03-06 09:00:00 · Sat 2026-03-07 09:00:00 · Sun 2026-03-08 09:00:00 · Mon 2026-03-09 09:00:00 · Tue 2026-03-10 09:00:00 (America/New_York)",
            cron.Body.GetProperty("items").GetProperty("singleline").GetProperty("adornmentText").GetString());
        Assert.True(cron.Body.GetProperty("items").GetProperty("Refresh").GetBoolean());
        var wrong = await PostAsync(host, "/descriptors/activities/Elsa.Cron/options/CronExpression", new { context = new { cronExpression = Literal("every day") } });
        Assert.Contains("'every day' is not a cron expression", wrong.Text, StringComparison.Ordinal);
        var zones = await PostAsync(host, "/descriptors/activities/Elsa.Cron/options/TimeZone", new { context = (object?)null });
        Assert.Contains(zones.Body.GetProperty("items").GetProperty("dropdown").GetProperty("selectList").GetProperty("items").EnumerateArray(), i => i.GetProperty("value").GetString() == "America/Chicago");
        Assert.Equal(404, (await PostAsync(host, "/descriptors/activities/No.Such/options/X", new { context = (object?)null })).Status);

        static object Literal(string value) => new { typeName = "String", expression = new { type = "Literal", value } };
    }

    [Fact]
    public async Task Script_types_declare_the_helpers_and_the_workflows_own_names()
    {
        await using var host = await StartStudioAsync();
        await host.PublishAsync("http", Ct);
        var stock = Capture.Read("171-studio-type-definitions");
        var answer = await PostAsync(host, stock.Path, stock.RequestBody);
        Assert.Equal(200, answer.Status);
        Assert.Equal("application/x-typescript", answer.Message.Content.Headers.ContentType?.MediaType);
        Assert.Equal("elsa.anchor-http.d.ts", answer.Message.Content.Headers.ContentDisposition?.FileName);
        var declared = Names(answer.Text);
        // Byte arrays and streams do not reach scripts here, and GUIDs are made by newGuid.
        string[] left = ["getShortGuid", "getGuid", "getGuidString"];
        Assert.Empty(Names(stock.Body.GetString()!).Where(n => !n.StartsWith("bytes", StringComparison.Ordinal) && !n.StartsWith("stream", StringComparison.Ordinal) && !n.StartsWith("string", StringComparison.Ordinal))
            .Except(declared).Except(left).Except(["setQuery"]));
        Assert.Contains("declare function getGreeting(): string;", answer.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("getGreeting", (await PostAsync(host, "/scripting/javascript/type-definitions/no-such", new { })).Text, StringComparison.Ordinal);

        static HashSet<string> Names(string text) => [.. System.Text.RegularExpressions.Regex.Matches(text, @"declare function (\w+)").Select(m => m.Groups[1].Value)];
    }

    [Fact]
    public async Task Strangers_get_401_and_those_without_the_permission_403_with_empty_bodies()
    {
        await using var host = await StartStudioAsync();
        (await SendAsync(host, HttpMethod.Get, Capture.Read("006-no-auth").Path, null, null)).ShouldLookLike(Capture.Read("006-no-auth"));
        foreach (var path in (string[])["/descriptors/activities", "/features/installed", "/descriptors/variables", "/no/such/path"])
        {
            var stranger = await SendAsync(host, HttpMethod.Get, path, null, null);
            Assert.Equal((401, ""), (stranger.Status, stranger.Text));
        }
        var other = await GetAsync(host, "/descriptors/activities", "bob read:storage-drivers");
        Assert.Equal((403, ""), (other.Status, other.Text));
        Assert.Equal(200, (await GetAsync(host, "/descriptors/storage-drivers", "bob read:storage-drivers")).Status);
        Assert.Equal(200, (await GetAsync(host, "/descriptors/storage-drivers", "bob read:*")).Status);
        Assert.Equal(403, (await GetAsync(host, "/descriptors/incident-strategies", "bob read:*")).Status);
        Assert.Equal(404, (await GetAsync(host, "/no/such/path")).Status);
    }

    private static List<JsonElement> Items(JsonElement body) => [.. body.GetProperty("items").EnumerateArray()];
}
