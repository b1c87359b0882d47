using PwWorkflows.Engine.Storage;

namespace PwWorkflows.Engine.Tests.Storage;

/// <summary>Which statements become one, and what the one says.</summary>
public sealed class FusedStatementTests
{
    private static EnlistedWrite[] Writes(string sql, params string[] ids) => [.. ids.Select(id => new EnlistedWrite(sql, [new("id", id), new("v", 1L)], 1))];

    [Theory]
    [InlineData("INSERT INTO t (id, v) VALUES (@id, @v)")]
    [InlineData("INSERT INTO t (id, v) VALUES (@id, CAST(@v AS bigint) + 1) ON CONFLICT (id) DO NOTHING")]
    [InlineData("UPDATE t SET v = @v WHERE id = @id")]
    [InlineData("UPDATE t SET v = CASE WHEN v > 0 THEN v ELSE @v END WHERE id = @id AND v <> @v")]
    [InlineData("UPDATE t SET v = @v WHERE id = @id AND (SELECT COUNT(*) FROM others o WHERE o.owner = @id) = 0")]
    [InlineData("SELECT v FROM t WHERE id = @id AND v = @v")]
    public void Equal_statements_become_one(string sql) =>
        Assert.Contains("unnest($1::text[]) AS given_id, unnest($2::bigint[]) AS given_v", FusedStatement.Of(sql)!.Fuse(Writes(sql, "a", "b"))!.CommandText, StringComparison.Ordinal);

    [Theory]
    [InlineData("INSERT INTO t (id, v) VALUES (@id, (SELECT max(v) + 1 FROM t))")]
    [InlineData("INSERT INTO t (id, v) VALUES (@id, @v) RETURNING id")]
    [InlineData("INSERT INTO t (id, v) SELECT @id, @v")]
    [InlineData("INSERT INTO t (id, v) VALUES (@id, @v) -- why")]
    [InlineData("UPDATE t SET v = @v WHERE id LIKE @id")]
    [InlineData("UPDATE t SET v = @v WHERE id = @id OR v = @v")]
    [InlineData("UPDATE t SET v = @v WHERE NOT id = @id")]
    [InlineData("UPDATE t SET v = (SELECT 1) WHERE id = @id")]
    [InlineData("UPDATE t SET v = @v WHERE id = @id AND (SELECT COUNT(*) FROM t WHERE v = @v) = 0")]
    [InlineData("UPDATE t SET v = @v WHERE id = @id AND (SELECT COUNT(*) FROM others o JOIN t ON t.v = o.v WHERE o.v = @v) = 0")]
    [InlineData("UPDATE t SET v = @v WHERE id = @id AND (SELECT max(v) FROM others) = 0")]
    [InlineData("DELETE FROM t WHERE id = @id")]
    [InlineData("SELECT v FROM t WHERE id = @id FOR UPDATE")]
    public void A_statement_that_might_mean_something_else_stays_alone(string sql) =>
        Assert.False(FusedStatement.Of(sql) is { } fused && (fused.IsSelect || fused.Takes(new EnlistedWrite(sql, [new("id", "a"), new("v", 1L)], 1))));

    [Fact]
    public void Updates_of_one_key_are_made_one_after_the_other()
    {
        const string Sql = "UPDATE t SET v = @v WHERE id = @id";
        Assert.Null(FusedStatement.Of(Sql)!.Fuse(Writes(Sql, "a", "b", "a")));
        Assert.Null(FusedStatement.Of(Sql)!.Fuse([.. Writes(Sql, "a"), new EnlistedWrite(Sql, [new("id", null), new("v", 1L)], 1)]));
    }

    [Fact]
    public void Values_of_another_kind_or_of_other_names_are_not_mixed()
    {
        const string Sql = "INSERT INTO t (id, v) VALUES (@id, @v)";
        Assert.Null(FusedStatement.Of(Sql)!.Fuse([.. Writes(Sql, "a"), new EnlistedWrite(Sql, [new("id", "b"), new("v", "text")], 1)]));
        Assert.Null(FusedStatement.Of(Sql)!.Fuse([.. Writes(Sql, "a"), new EnlistedWrite(Sql, [new("v", 1L), new("id", "b")], 1)]));
        Assert.Null(FusedStatement.Of(Sql)!.Fuse([new EnlistedWrite(Sql, [new("id", new Version(1, 2)), new("v", 1L)], 1), .. Writes(Sql, "b")]));
    }

    [Fact]
    public void A_parameter_that_is_null_for_all_is_a_literal_and_a_parameter_called_row_is_no_trouble()
    {
        const string Sql = "UPDATE t SET v = @v, note = '@v' WHERE id = @row";
        EnlistedWrite[] writes = [.. ((string[])["a", "b"]).Select(id => new EnlistedWrite(Sql, [new("row", id), new("v", null)], 1))];
        var text = FusedStatement.Of(Sql)!.Fuse(writes)!.CommandText;
        Assert.Contains("SET v = NULL, note = '@v'", text, StringComparison.Ordinal);
        Assert.DoesNotContain("(given_row, given_row)", text, StringComparison.Ordinal);
    }
}
