using System.Security.Claims;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;

namespace PwWorkflows.Engine.Studio;

/// <summary>Elsa's permissions: claims of a caller, one per value. Each endpoint accepts <see cref="All"/> or any of its own.</summary>
public static class StudioPermissions
{
#pragma warning disable CS1591 // each constant is the claim's value, which says it
    public const string ClaimType = "permissions";
    public const string All = "*";
    public const string ReadAll = "read:*";
    public const string ReadActivityDescriptors = "read:activity-descriptors";
    public const string ReadActivityDescriptorOptions = "read:activity-descriptors-options";
    public const string ReadActivityExecution = "read:activity-execution";
    public const string ReadActivationStrategies = "read:workflow-activation-strategies";
    public const string ReadCommitStrategies = "read:commit-strategies";
    public const string ReadExpressionDescriptors = "read:expression-descriptors";
    public const string ReadIncidentStrategies = "read:incident-strategies";
    public const string ReadInstalledFeatures = "read:installed-features";
    public const string ReadJavaScriptTypes = "read:javascript-type-definitions";
    public const string ReadLogPersistenceStrategies = "read:log-persistence-strategies";
    public const string ReadOutputConverters = "read:output-converters";
    public const string ReadStorageDrivers = "read:storage-drivers";
    public const string ReadVariableDescriptors = "read:variable-descriptors";
    public const string ReadDefinitions = "read:workflow-definitions";
    public const string ReadInstances = "read:workflow-instances";
    public const string ReadRuntime = "read:workflow-runtime";
    public const string WriteDefinitions = "write:workflow-definitions";
    public const string PublishDefinitions = "publish:workflow-definitions";
    public const string RetractDefinitions = "retract:workflow-definitions";
    public const string DeleteDefinitions = "delete:workflow-definitions";
    public const string ExecuteDefinitions = "exec:workflow-definitions";
    public const string ExecuteTests = "exec:tests";
    public const string WriteInstances = "write:workflow-instances";
    public const string CancelInstances = "cancel:workflow-instances";
    public const string DeleteInstances = "delete:workflow-instances";
    public const string CompleteTasks = "tasks:complete";
    public const string TriggerEvents = "trigger:event";
    public const string ManageRuntime = "manage:workflow-runtime";
#pragma warning restore CS1591

    /// <summary>Everything that only looks.</summary>
    public static IReadOnlyList<string> Reading { get; } =
    [
        ReadAll, ReadActivityDescriptors, ReadActivityDescriptorOptions, ReadActivityExecution, ReadActivationStrategies, ReadCommitStrategies, ReadExpressionDescriptors, ReadIncidentStrategies,
        ReadInstalledFeatures, ReadJavaScriptTypes, ReadLogPersistenceStrategies, ReadOutputConverters, ReadStorageDrivers, ReadVariableDescriptors, ReadDefinitions, ReadInstances, ReadRuntime,
    ];

    /// <summary>Everything that changes definitions and moves instances, apart from holding up the whole runtime.</summary>
    public static IReadOnlyList<string> Operating { get; } =
    [
        WriteDefinitions, PublishDefinitions, RetractDefinitions, DeleteDefinitions, ExecuteDefinitions, ExecuteTests, WriteInstances, CancelInstances, DeleteInstances, CompleteTasks, TriggerEvents,
    ];

    /// <summary>Lets callers in who have <see cref="All"/> or one of the permissions.</summary>
    internal static TBuilder RequirePermission<TBuilder>(this TBuilder endpoint, params string[] anyOf) where TBuilder : IEndpointConventionBuilder =>
        endpoint.RequireAuthorization(policy => policy.RequireAssertion(context => anyOf.Any(context.User.May)));

    /// <summary>Whether a caller has <see cref="All"/> or the permission.</summary>
    internal static bool May(this ClaimsPrincipal caller, string permission) => caller.HasClaim(c => c.Type == ClaimType && (c.Value == All || c.Value == permission));
}
