using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace PwWorkflows.Engine.Storage;

/// <summary>Makes the store for the configured database.</summary>
public static class EngineStore
{
    /// <summary>Makes the store named by <c>DATABASE_URL</c> (see <see cref="StoreOptions.Parse"/>). Connects to nothing yet; call <see cref="IEngineStore.MigrateAsync"/> next.</summary>
    /// <param name="databaseUrl">Value of DATABASE_URL; null or empty for SQLite in the data folder.</param>
    /// <param name="dataFolder">Folder for the SQLite file.</param>
    /// <param name="timeProvider">Clock of the host; on SQLite also the clock of leases and due times.</param>
    /// <param name="logger">Takes the warnings, such as a lost connection; null for none.</param>
    /// <exception cref="FormatException">DATABASE_URL is not understood.</exception>
    public static IEngineStore Create(string? databaseUrl, string dataFolder, TimeProvider timeProvider, ILogger? logger = null) =>
        Create(StoreOptions.Parse(databaseUrl, dataFolder), timeProvider, logger);

    /// <summary>Makes the store of the given options.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of its range.</exception>
    public static IEngineStore Create(StoreOptions options, TimeProvider timeProvider, ILogger? logger = null)
    {
        if (options.CommitLoops is < 1 or > 8) throw new ArgumentOutOfRangeException(nameof(options), options.CommitLoops, "CommitLoops must be 1 to 8.");
        if (options.MaxCommitsPerTransaction is < 1 or > 1000) throw new ArgumentOutOfRangeException(nameof(options), options.MaxCommitsPerTransaction, "MaxCommitsPerTransaction must be 1 to 1000.");
        logger ??= NullLogger.Instance;
        return options.Provider == DatabaseProvider.PostgreSql
            ? new PostgresEngineStore(options, timeProvider, logger)
            : new SqliteEngineStore(options, timeProvider, logger);
    }
}
