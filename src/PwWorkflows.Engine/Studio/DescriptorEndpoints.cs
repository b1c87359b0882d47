using Elsa.Workflows.ActivationValidators;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using PwWorkflows.Engine.Definitions;
using PwWorkflows.Engine.Expressions;
using P = PwWorkflows.Engine.Studio.StudioPermissions;

namespace PwWorkflows.Engine.Studio;

/// <summary>What the designer asks before it shows anything: activities, languages, types, strategies, features.</summary>
internal static class DescriptorEndpoints
{
    private sealed record Feature(string Name, string Namespace, string FullName, string DisplayName, string Description);

    private sealed record ExpressionView(string Type, string DisplayName, bool IsSerializable, bool IsBrowsable, IDictionary<string, string> Properties);

    private sealed record Strategy(string TypeName, string DisplayName, string Description);

    private sealed record CommitStrategy(string Name, string DisplayName, string Description);

    private sealed record StorageDriver(string TypeName, string DisplayName, int Priority, bool Deprecated);

    private sealed record VariableType(string TypeName, string DisplayName, string Category, string Description);

    private static readonly Feature[] Features = [Of("WorkflowManagement"), Of("WorkflowRuntime"), Of("WorkflowsApi"), Of("Http"), Of("Scheduling"), Of("JavaScript"), Of("Liquid"), Of("RealTimeWorkflowUpdates")];

    // Shown first are those the designer treats specially; the others are offered as a choice.
    private static readonly ExpressionView[] Expressions =
    [
        new("Literal", "Literal", true, false, new Dictionary<string, string>()),
        new("Object", "Object", true, false, Monaco("json")),
        new("Json", "Json", true, false, Monaco("json")),
        new("Delegate", "Delegate", false, false, new Dictionary<string, string>()),
        new("Variable", "Variable", true, true, new Dictionary<string, string>()),
        new("Input", "Input", true, true, new Dictionary<string, string>()),
        new("JavaScript", "JavaScript", true, true, Monaco("javascript")),
        new("Liquid", "Liquid", true, true, Monaco("liquid")),
    ];

    private static readonly StorageDriver[] StorageDrivers =
    [
        new("Elsa.Workflows.WorkflowInstanceStorageDriver, Elsa.Workflows.Core", "Workflow Instance", 5, false),
        new("Elsa.Workflows.MemoryStorageDriver, Elsa.Workflows.Core", "Memory", 0, false),
        new("Elsa.Workflows.Services.WorkflowStorageDriver, Elsa.Workflows.Core", "Workflow", -1, true),
    ];

    private static readonly VariableType[] VariableTypes =
    [
        new("Object", "Object", "Primitives", "Any value."),
        new("String", "String", "Primitives", "Text."),
        new("Boolean", "Boolean", "Primitives", "True or false."),
        new("Int32", "Int32", "Primitives", "A whole number of 32 bits."),
        new("Long", "Long", "Primitives", "A whole number of 64 bits."),
        new("Single", "Single", "Primitives", "A floating point number of 32 bits."),
        new("Double", "Double", "Primitives", "A floating point number of 64 bits."),
        new("Decimal", "Decimal", "Primitives", "A decimal number, for amounts."),
        new("Guid", "Guid", "Primitives", "A globally unique id."),
        new("DateTime", "DateTime", "Primitives", "A date and time."),
        new("DateTimeOffset", "DateTimeOffset", "Primitives", "A date and time with its offset from UTC."),
        new("TimeSpan", "TimeSpan", "Primitives", "A length of time."),
        new("StringDictionary", "StringDictionary", "Lookups", "Texts by name."),
        new("ObjectDictionary", "ObjectDictionary", "Lookups", "Values by name."),
        new("JSON", "JSON", "Dynamic", "Data whose members are reached with a dot."),
        new("JsonElement", "JsonElement", "Dynamic", "JSON that is read."),
        new("JsonNode", "JsonNode", "Dynamic", "JSON that is read and written."),
        new("JsonObject", "JsonObject", "Dynamic", "A JSON object that is read and written."),
        new("ByteArray", "ByteArray", "Data", "Bytes."),
        new("Stream", "Stream", "Data", "A stream of bytes."),
    ];

    private static readonly Strategy[] ActivationStrategies =
    [
        new($"{typeof(AllowAlwaysStrategy).FullName}, Elsa.Workflows.Core", "Always", "Any number of instances."),
        new($"Elsa.Workflows.Runtime.ActivationValidators.{nameof(CorrelatedSingletonStrategy)}, Elsa.Workflows.Runtime", "Correlated singleton", "No new instance while one of the same workflow and correlation ID runs."),
        new($"Elsa.Workflows.Runtime.ActivationValidators.{nameof(CorrelationStrategy)}, Elsa.Workflows.Runtime", "Correlation", "No new instance of any workflow while one with the same correlation ID runs."),
        new($"Elsa.Workflows.Runtime.ActivationValidators.{nameof(SingletonStrategy)}, Elsa.Workflows.Runtime", "Singleton", "No new instance while one of the same workflow runs."),
    ];

    private static readonly Strategy[] IncidentStrategies =
    [
        new("ContinueWithIncidentsStrategy", "Continue with incidents", "The failed branch stops, the others go on."),
        new("FaultStrategy", "Fault", "The whole workflow is faulted."),
    ];

    private static readonly CommitStrategy[] WorkflowCommitStrategies =
    [
        new("WorkflowExecuting", "Commit Before Workflow Execution", "The state is stored when the workflow is about to run."),
        new("WorkflowExecuted", "Commit After Workflow Execution", "The state is stored when the workflow has run."),
        new("ActivityExecuting", "Commit Before Activity Execution", "The state is stored before each activity."),
        new("ActivityExecuted", "Commit After Activity Execution", "The state is stored after each activity."),
    ];

    private static readonly CommitStrategy[] ActivityCommitStrategies =
    [
        new("CommitAlways", "Commit Before And After", "The state is stored before and after the activity."),
        new("CommitNever", "Commit Later", "The state is not stored because of this activity."),
        new("Executing", "Commit Before", "The state is stored before the activity."),
        new("Executed", "Commit After", "The state is stored after the activity."),
    ];

    private static readonly Strategy[] LogPersistenceStrategies =
    [
        .. ((string[])["Configuration", "Exclude", "Include", "Inherit"]).Select(static n => new Strategy($"Elsa.Workflows.LogPersistence.Strategies.{n}, Elsa.Workflows.Core", n, "")),
    ];

    public static void Map(IEndpointRouteBuilder api)
    {
        api.MapGet("/features/installed", static () => StudioJson.List(Features)).RequirePermission(P.ReadAll, P.ReadInstalledFeatures);
        api.MapGet("/features/installed/{name}", static (string name) => Array.Find(Features, f => f.FullName == name) is { } found ? StudioJson.Ok(found) : Results.NotFound())
            .RequirePermission(P.ReadAll, P.ReadInstalledFeatures);
        api.MapGet("/descriptors/activities", static async (ActivityDescriptions activities, CancellationToken ct) => StudioJson.List(await activities.AllAsync(ct)))
            .RequirePermission(P.ReadAll, P.ReadActivityDescriptors);
        api.MapGet("/descriptors/activities/{typeName}", static async (string typeName, HttpRequest request, ActivityDescriptions activities, CancellationToken ct) =>
            await activities.FindAsync(typeName, request.Query.Number("version") ?? 0, ct) is { } found ? StudioJson.Ok(found) : Results.NotFound()).RequirePermission(P.ReadAll, P.ReadActivityDescriptors);
        api.MapPost("/descriptors/activities/{typeName}/options/{property}", OptionsAsync).RequirePermission(P.ReadAll, P.ReadActivityDescriptorOptions);
        api.MapGet("/descriptors/expression-descriptors", static (ExpressionEvaluator evaluator) => StudioJson.List(Expressions.Where(e => evaluator.Find(e.Type) is not null).ToList()))
            .RequirePermission(P.ReadAll, P.ReadExpressionDescriptors);
        api.MapGet("/descriptors/storage-drivers", static () => StudioJson.Ok(new { items = StorageDrivers })).RequirePermission(P.ReadAll, P.ReadStorageDrivers);
        api.MapGet("/descriptors/variables", static () => StudioJson.Ok(new { items = VariableTypes })).RequirePermission(P.ReadAll, P.ReadVariableDescriptors);
        api.MapGet("/descriptors/workflow-activation-strategies", static () => StudioJson.List(ActivationStrategies)).RequirePermission(P.ReadActivationStrategies);
        api.MapGet("/descriptors/incident-strategies", static () => StudioJson.List(IncidentStrategies)).RequirePermission(P.ReadIncidentStrategies);
        api.MapGet("/descriptors/log-persistence-strategies", static () => StudioJson.List(LogPersistenceStrategies)).RequirePermission(P.ReadLogPersistenceStrategies);
        api.MapGet("/descriptors/commit-strategies/workflows", static () => StudioJson.List(WorkflowCommitStrategies)).RequirePermission(P.ReadCommitStrategies);
        api.MapGet("/descriptors/commit-strategies/activities", static () => StudioJson.List(ActivityCommitStrategies)).RequirePermission(P.ReadCommitStrategies);
        api.MapGet("/descriptors/output-converters", static () => StudioJson.List(Array.Empty<object>())).RequirePermission(P.ReadAll, P.ReadOutputConverters);
        api.MapPost("/scripting/javascript/type-definitions/{definitionId}", static async (string definitionId, ScriptTypes types, CancellationToken ct) =>
            Results.File(System.Text.Encoding.UTF8.GetBytes(await types.DeclareAsync(definitionId, ct)), "application/x-typescript", $"elsa.{definitionId}.d.ts")).RequirePermission(P.ReadAll, P.ReadJavaScriptTypes);
    }

    private static async Task<IResult> OptionsAsync(string typeName, string property, HttpRequest request, ActivityDescriptions activities, CancellationToken ct)
    {
        var (body, problem) = await StudioJson.ReadAsync(request, ct);
        if (problem is not null) return problem;
        return await activities.OptionsAsync(typeName, property, body["context"], ct) is { } items ? StudioJson.Ok(new { items }) : Results.NotFound();
    }

    private static Feature Of(string name) => new(name, "Elsa", "Elsa." + name, name, "");

    private static Dictionary<string, string> Monaco(string language) => new() { ["MonacoLanguage"] = language };
}
