using System.Data.Common;
using Npgsql;

namespace PwWorkflows.Engine.Storage;

/// <summary>Short look-ups by key, those of several callers in one round trip, equal ones as one statement.</summary>
internal sealed class PostgresLookUps(NpgsqlDataSource source, Action countRoundTrip) : PostgresRounds<PostgresLookUps.LookUp>
{
    /// <summary>Looks up, together with others; null when this query can't be joined with others.</summary>
    public Task<List<T>>? TryFind<T>(EnlistedWrite query, Func<DbDataReader, T> map, CancellationToken ct)
    {
        if (FusedStatement.Of(query.Sql) is not { IsSelect: true } fused || query.Parameters.All(static p => p.Value is null)) return null;
        var lookUp = new LookUp<T>(fused, query, map);
        Ask(lookUp);
        return lookUp.Found.WaitAsync(ct);
    }

    protected override async Task MakeAsync(IReadOnlyList<LookUp> requests, bool alone)
    {
        await using var batch = source.CreateBatch();
        var groups = new List<List<LookUp>>(1);
        foreach (var lookUp in requests)
        {
            var group = groups.Find(g => g[0].Fused == lookUp.Fused);
            if (group is null) groups.Add(group = []);
            group.Add(lookUp);
        }

        foreach (var group in groups)
        {
            batch.BatchCommands.Add(group[0].Fused.Fuse([.. group.Select(static l => l.Query)])
                ?? throw new ArgumentException($"The values of a look-up are of a kind that has no array here: {group[0].Query.Sql}"));
        }

        countRoundTrip();
        await using var reader = await batch.ExecuteReaderAsync().ConfigureAwait(false);
        foreach (var group in groups)
        {
            while (await reader.ReadAsync().ConfigureAwait(false)) group[(int)reader.GetInt64(reader.FieldCount - 1) - 1].Add(reader);
            await reader.NextResultAsync().ConfigureAwait(false);
        }
    }

    internal abstract class LookUp(FusedStatement fused, EnlistedWrite query) : RoundRequest
    {
        public FusedStatement Fused { get; } = fused;
        public EnlistedWrite Query { get; } = query;

        public abstract void Add(DbDataReader row);
    }

    private sealed class LookUp<T>(FusedStatement fused, EnlistedWrite query, Func<DbDataReader, T> map) : LookUp(fused, query)
    {
        private readonly TaskCompletionSource<List<T>> _found = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<T> _rows = [];
        private Exception? _unreadable;

        public Task<List<T>> Found => _found.Task;

        public override void Add(DbDataReader row)
        {
            try
            {
                _rows.Add(map(row));
            }
            catch (Exception exception)
            {
                // The others of the round trip are not harmed.
                _unreadable ??= exception;
            }
        }

        public override void Reset()
        {
            _rows.Clear();
            _unreadable = null;
        }

        public override void Complete()
        {
            if (_unreadable is null) _found.TrySetResult(_rows);
            else _found.TrySetException(_unreadable);
        }

        public override void Fail(Exception exception) => _found.TrySetException(exception);
    }
}
