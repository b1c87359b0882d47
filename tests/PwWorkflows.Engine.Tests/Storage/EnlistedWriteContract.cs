using System.Data.Common;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public abstract class EnlistedWriteContract(ITestDatabase database) : StoreTestBase(database)
{
    private async Task CreateInboxAsync() =>
        await Store.Database.WriteAsync(
            (connection, transaction, ct) => ExecuteAsync(
                connection, transaction,
                Options.Provider == DatabaseProvider.PostgreSql
                    ? "CREATE TABLE inbox (id text PRIMARY KEY, amount numeric, seen timestamptz, body bytea, ok boolean, tries bigint)"
                    : "CREATE TABLE inbox (id TEXT PRIMARY KEY, amount TEXT, seen TEXT, body BLOB, ok INTEGER, tries INTEGER)", ct), Ct);

    private static async Task<int> ExecuteAsync(DbConnection connection, DbTransaction transaction, string sql, CancellationToken ct)
    {
        await using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        return await command.ExecuteNonQueryAsync(ct);
    }

    private async Task<long> InboxCountAsync(string where = "1 = 1") =>
        await Store.Database.ReadAsync(
            async (connection, ct) =>
            {
                await using var command = connection.CreateCommand();
                command.CommandText = "SELECT count(*) FROM inbox WHERE " + where;
                return Convert.ToInt64(await command.ExecuteScalarAsync(ct), null);
            }, Ct);

    private static EnlistedWrite Insert(string id, int? expected = null, string suffix = "") =>
        new("INSERT INTO inbox (id) VALUES (@id)" + suffix, [new("id", id)], expected);

    private Task<Lease?> CommitAsync(params EnlistedWrite[] writes) =>
        Store.CommitAsync(new InstanceCommit { Instance = Ended(Instance()), IsNew = true, NodeId = "node-1", Writes = writes }, Ct);

    [Fact]
    public async Task A_product_row_is_committed_with_the_instance()
    {
        await CreateInboxAsync();
        await CommitAsync(new EnlistedWrite(
            "INSERT INTO inbox (id, amount, seen, body, ok, tries) VALUES (@id, @amount, @seen, @body, @ok, @tries)",
            [new("@id", "evt_1"), new("amount", 12.34m), new("seen", Clock.GetUtcNow().ToOffset(TimeSpan.FromHours(5))), new("body", new byte[] { 1, 2 }), new("ok", true), new("tries", 3L)]));
        await CommitAsync(new EnlistedWrite("INSERT INTO inbox (id, amount, seen) VALUES (@id, @amount, @seen)", [new("id", "evt_2"), new("amount", null), new("seen", null)]));
        Assert.Equal(1, await InboxCountAsync("id = 'evt_1' AND tries = 3 AND seen IS NOT NULL AND amount IS NOT NULL AND body IS NOT NULL"));
        Assert.Equal(1, await InboxCountAsync("id = 'evt_2' AND amount IS NULL AND seen IS NULL"));
    }

    [Fact]
    public async Task A_single_statement_tells_the_rows_it_touched()
    {
        await CreateInboxAsync();
        var insert = Insert("evt_1", suffix: " ON CONFLICT (id) DO NOTHING");
        Assert.Equal(1, await Store.Database.ExecuteAsync(insert, Ct));
        Assert.Equal(0, await Store.Database.ExecuteAsync(insert, Ct));
        await Store.Database.ExecuteAsync(Insert("evt_2"), Ct);
        Assert.Equal(2, await Store.Database.ExecuteAsync(new EnlistedWrite("UPDATE inbox SET tries = @tries", [new("tries", 7L)]), Ct));
        Assert.Equal(2, await InboxCountAsync("tries = 7"));
    }

    [Fact]
    public async Task A_refused_single_statement_tells_the_database_error_and_harms_nothing_written_with_it()
    {
        await CreateInboxAsync();
        await Store.Database.ExecuteAsync(Insert("evt_0"), Ct);
        var writes = Enumerable.Range(0, 60).Select(i => i % 20 == 7
            ? Assert.ThrowsAnyAsync<DbException>(() => Store.Database.ExecuteAsync(Insert("evt_0"), Ct))
            : i % 2 == 0 ? CommitAsync(Insert($"commit_{i}")) : (Task)Store.Database.ExecuteAsync(Insert($"alone_{i}"), Ct));
        await Task.WhenAll(writes);
        Assert.Equal(58, await InboxCountAsync());
    }

    [Fact]
    public async Task A_duplicate_product_key_refuses_the_whole_commit()
    {
        await CreateInboxAsync();
        await CommitAsync(Insert("evt_1"));
        Assert.Equal(CommitConflict.UniqueKey, (await ConflictAsync(CommitAsync(Insert("evt_2"), Insert("evt_1")))).Conflict);
        Assert.Equal(1, await InboxCountAsync());
        Assert.Equal(1, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
    }

    [Fact]
    public async Task Another_number_of_rows_than_expected_refuses_the_whole_commit()
    {
        await CreateInboxAsync();
        await CommitAsync(Insert("evt_1", expected: 1));
        EnlistedWrite[] refused =
        [
            Insert("evt_1", expected: 1, " ON CONFLICT DO NOTHING;"),
            new("UPDATE inbox SET ok = @ok WHERE id = @id -- nobody", [new("ok", true), new("id", "evt_9")], 1),
            new("DELETE FROM inbox WHERE id = @id", [new("id", "evt_1")], 2),
            new("UPDATE inbox SET tries = 1 WHERE id = @id RETURNING id", [new("id", "evt_9")], 1),
        ];
        foreach (var write in refused)
        {
            var conflict = await ConflictAsync(CommitAsync(write));
            Assert.Equal(CommitConflict.UnexpectedRows, conflict.Conflict);
        }

        Assert.Equal(1, await InboxCountAsync("ok IS NULL AND tries IS NULL"));
        Assert.Equal(1, await Store.CountInstancesAsync(new InstanceFilter(), Ct));
        await CommitAsync(new EnlistedWrite("UPDATE inbox SET tries = 5 WHERE id = @id RETURNING id", [new("id", "evt_1")], 1));
        Assert.Equal(1, await InboxCountAsync("tries = 5"));
    }

    [Fact]
    public async Task An_event_delivered_by_many_at_once_is_kept_once()
    {
        await CreateInboxAsync();
        var outcomes = await Race.OutcomesAsync(16, i => CommitAsync(Insert("evt_1", expected: i % 2 == 0 ? 1 : null)));
        Assert.Equal(1, outcomes.Count(o => o is null));
        Assert.All(outcomes.OfType<Exception>(), e => Assert.Equal(CommitConflict.UniqueKey, Assert.IsType<CommitConflictException>(e).Conflict));
        Assert.Equal(1, await InboxCountAsync());
    }

    [Fact]
    public async Task Writes_run_in_order_and_a_broken_one_harms_only_its_own_commit()
    {
        await CreateInboxAsync();
        var outcomes = await Race.OutcomesAsync(20, i => i == 7
            ? CommitAsync(new EnlistedWrite("INSERT INTO no_such_table VALUES (1)", []))
            : CommitAsync(Insert($"e{i}"), new EnlistedWrite("UPDATE inbox SET tries = 1 WHERE id = @id", [new("id", $"e{i}")], 1)));
        Assert.IsAssignableFrom<DbException>(outcomes[7]);
        Assert.Equal(19, outcomes.Count(o => o is null));
        Assert.Equal(19, await InboxCountAsync("tries = 1"));
    }

    [Fact]
    public async Task Equal_writes_of_joint_commits_each_do_their_own()
    {
        await CreateInboxAsync();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(i => CommitAsync(
            new EnlistedWrite(
                "INSERT INTO inbox (id, amount, seen, body, ok, tries) VALUES (@id, @amount, @seen, @body, @ok, @tries)",
                [new("id", $"e{i}"), new("amount", i % 3 == 0 ? null : 0.5m + i), new("seen", i % 5 == 0 ? null : Clock.GetUtcNow()), new("body", new byte[] { (byte)i }), new("ok", i % 2 == 0), new("tries", (long)i)], 1),
            new EnlistedWrite("UPDATE inbox SET tries = @tries, seen = COALESCE(@seen, seen) WHERE id = @id AND tries = @before", [new("tries", 1000L + i), new("seen", null), new("id", $"e{i}"), new("before", (long)i)], 1),
            new EnlistedWrite("INSERT INTO inbox (id, tries) VALUES (@id, 5) ON CONFLICT (id) DO NOTHING", [new("id", $"e{i}")]))));
        Assert.Equal(200, await InboxCountAsync());
        for (var i = 0; i < 200; i += 7)
        {
            Assert.Equal(1, await InboxCountAsync($"id = 'e{i}' AND tries = {1000 + i} AND {(i % 2 == 0 ? "" : "NOT ")}ok AND amount IS {(i % 3 == 0 ? "" : "NOT ")}NULL AND seen IS {(i % 5 == 0 ? "" : "NOT ")}NULL"));
        }
    }

    [Fact]
    public async Task Joint_updates_of_one_row_are_told_apart()
    {
        await CreateInboxAsync();
        await CommitAsync(Insert("row"), new EnlistedWrite("UPDATE inbox SET tries = 0 WHERE id = @id", [new("id", "row")], 1));
        var outcomes = await Race.OutcomesAsync(24, i => CommitAsync(
            new EnlistedWrite("UPDATE inbox SET tries = tries + 1 WHERE id = @id AND tries = @before", [new("id", "row"), new("before", 0L)], 1)));
        Assert.Equal(1, outcomes.Count(o => o is null));
        Assert.All(outcomes.OfType<Exception>(), e => Assert.Equal(CommitConflict.UnexpectedRows, Assert.IsType<CommitConflictException>(e).Conflict));
        await Task.WhenAll(Enumerable.Range(0, 24).Select(i => CommitAsync(new EnlistedWrite("UPDATE inbox SET tries = tries + 1 WHERE id = @id", [new("id", "row")], 1))));
        Assert.Equal(1, await InboxCountAsync("tries = 25"));
    }

    [Fact]
    public async Task An_update_of_two_rows_is_not_made_good_by_one_of_none()
    {
        await CreateInboxAsync();
        await CommitAsync(Insert("a1"), Insert("a2"), Insert("b1"));
        var outcomes = await Race.OutcomesAsync(30, i => CommitAsync(
            new EnlistedWrite("UPDATE inbox SET tries = 1 WHERE id LIKE @like", [new("like", (i % 3) switch { 0 => "a%", 1 => "none", _ => "b%" })], 1)));
        Assert.All(outcomes.Where((_, i) => i % 3 == 2), Assert.Null);
        Assert.All(outcomes.Where((_, i) => i % 3 != 2), e => Assert.Equal(CommitConflict.UnexpectedRows, Assert.IsType<CommitConflictException>(e).Conflict));
        Assert.Equal(1, await InboxCountAsync("tries = 1"));
    }

    [Fact]
    public async Task Look_ups_of_many_callers_each_find_their_own_in_order()
    {
        await CreateInboxAsync();
        await CommitAsync([.. Enumerable.Range(0, 50).Select(i => new EnlistedWrite("INSERT INTO inbox (id, tries) VALUES (@id, @tries)", [new("id", $"e{i:00}"), new("tries", (long)(i % 10))]))]);
        var found = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Store.Database.LookUpAsync(
            new EnlistedWrite("SELECT id, tries FROM inbox WHERE tries = @tries AND (@prefix IS NULL OR id > @prefix) ORDER BY id DESC", [new("tries", (long)(i % 12)), new("prefix", i % 2 == 0 ? "e2" : "e0")]),
            static r => r.GetString(0), Ct)));
        for (var i = 0; i < found.Length; i++)
        {
            var expected = Enumerable.Range(0, 50).Where(n => n % 10 == i % 12 && (i % 2 != 0 || n >= 20)).Select(n => $"e{n:00}").OrderDescending(StringComparer.Ordinal);
            Assert.Equal(expected, found[i]);
        }
    }

    [Fact]
    public async Task A_look_up_that_fails_harms_no_other()
    {
        await CreateInboxAsync();
        await CommitAsync(Insert("e1"));
        var outcomes = await Race.OutcomesAsync(20, async i =>
        {
            var sql = i % 4 == 1 ? "SELECT id FROM no_such_table WHERE id = @id" : "SELECT id FROM inbox WHERE id = @id";
            var rows = await Store.Database.LookUpAsync(new EnlistedWrite(sql, [new("id", "e1")]), r => i % 4 == 2 ? throw new FormatException("unreadable") : r.GetString(0), Ct);
            Assert.Equal(["e1"], rows);
        });
        for (var i = 0; i < outcomes.Length; i++)
        {
            if (i % 4 == 1) Assert.IsAssignableFrom<DbException>(outcomes[i]);
            else if (i % 4 == 2) Assert.IsType<FormatException>(outcomes[i]);
            else Assert.Null(outcomes[i]);
        }
    }

    [Fact]
    public async Task Product_writes_and_commits_take_turns()
    {
        await CreateInboxAsync();
        var outcomes = await Race.OutcomesAsync(60, i => i % 2 == 0
            ? CommitAsync(Insert($"c{i}"))
            : Store.Database.WriteAsync((connection, transaction, ct) => ExecuteAsync(connection, transaction, $"INSERT INTO inbox (id) VALUES ('w{i}')", ct), Ct));
        Assert.All(outcomes, Assert.Null);
        Assert.Equal(60, await InboxCountAsync());
    }

    [Fact]
    public async Task A_product_write_that_throws_is_rolled_back()
    {
        await CreateInboxAsync();
        var error = await Assert.ThrowsAsync<InvalidTimeZoneException>(() => Store.Database.WriteAsync<int>(async (connection, transaction, ct) =>
        {
            await ExecuteAsync(connection, transaction, "INSERT INTO inbox (id) VALUES ('x')", ct);
            throw new InvalidTimeZoneException("no");
        }, Ct));
        Assert.Equal("no", error.Message);
        Assert.Equal(0, await InboxCountAsync());
        await CommitAsync(Insert("after"));
    }
}

public sealed class EnlistedWriteOnSqlite() : EnlistedWriteContract(new OnSqliteFile())
{
    [Fact]
    public async Task A_write_inside_a_write_is_refused_instead_of_waiting_for_ever()
    {
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => Store.Database.WriteAsync(async (_, _, ct) =>
        {
            await Store.EnqueueAsync([Item()], "node-1", null, HalfMinute, ct);
            return true;
        }, Ct));
        Assert.Contains("A write inside a write", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_read_connection_does_not_write()
    {
        await Assert.ThrowsAnyAsync<DbException>(() => Store.Database.ReadAsync(async (connection, ct) =>
        {
            await using var command = connection.CreateCommand();
            command.CommandText = "CREATE TABLE t (x)";
            return await command.ExecuteNonQueryAsync(ct);
        }, Ct));
    }
}

public sealed class EnlistedWriteOnPostgres(PostgresFixture postgres) : EnlistedWriteContract(new OnPostgresServer(postgres));
