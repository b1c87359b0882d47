using Elsa.Common.Models;
using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Definitions;

/// <summary>Which versions <see cref="VersionOptions"/> name.</summary>
public static class VersionSelection
{
    /// <summary>Whether the options name this version. <see cref="VersionOptions.LatestOrPublished"/> names two when a draft lies over the published one.</summary>
    public static bool Matches(this DefinitionRow row, VersionOptions options) =>
        options.AllVersions || options.Version > 0 && row.Version == options.Version
        || options.IsLatest && row.IsLatest
        || options.IsPublished && row.IsPublished
        || options.IsDraft && row is { IsLatest: true, IsPublished: false }
        || options.IsLatestAndPublished && row is { IsLatest: true, IsPublished: true }
        || options.IsLatestOrPublished && (row.IsLatest || row.IsPublished);

    /// <summary>The one version of a definition that the options name, or null. Of latest or published it is the published one when there is one; of all it is the newest.</summary>
    /// <param name="versions">All versions of one definition, newest first.</param>
    /// <param name="options">Which; the default value names none.</param>
    public static DefinitionRow? Pick(this IReadOnlyList<DefinitionRow> versions, VersionOptions options) =>
        (options.IsLatestOrPublished ? versions.FirstOrDefault(v => v.IsPublished) : null) ?? versions.FirstOrDefault(v => v.Matches(options));
}
