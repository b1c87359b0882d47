using Npgsql;
using PwWorkflows.Engine.Storage;
using PwWorkflows.Tests.Infrastructure;

namespace PwWorkflows.Engine.Tests.Storage;

public sealed class StoreOptionsTests
{
    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("  ")]
    public void Nothing_means_a_SQLite_file_in_the_data_folder(string? value)
    {
        using var folder = new TemporaryFolder();
        var data = Path.Combine(folder.FullPath, "new", "data");
        var options = StoreOptions.Parse(value, data);
        Assert.Equal(DatabaseProvider.Sqlite, options.Provider);
        Assert.Contains(Path.Combine(data, "pw.db"), options.ConnectionString, StringComparison.Ordinal);
        Assert.True(Directory.Exists(data));
    }

    [Fact]
    public void A_postgres_address_is_taken_apart()
    {
        var options = StoreOptions.Parse("postgres://us%40er:p%2Fw%3Ad%20%25@db.example:6543/orders?sslmode=verify-full&connect_timeout=7&application_name=pw", "unused");
        var builder = new NpgsqlConnectionStringBuilder(options.ConnectionString);
        Assert.Equal(DatabaseProvider.PostgreSql, options.Provider);
        Assert.Equal(("us@er", "p/w:d %", "db.example", 6543, "orders"), (builder.Username, builder.Password, builder.Host, builder.Port, builder.Database));
        Assert.Equal((SslMode.VerifyFull, 7, "pw"), (builder.SslMode, builder.Timeout, builder.ApplicationName));
    }

    [Fact]
    public void The_port_is_5432_when_none_is_given() =>
        Assert.Equal(5432, new NpgsqlConnectionStringBuilder(StoreOptions.Parse("postgresql://u:p@h/d", "unused").ConnectionString).Port);

    [Fact]
    public void The_form_of_Npgsql_is_taken()
    {
        var builder = new NpgsqlConnectionStringBuilder(StoreOptions.Parse("Host=h;Port=1234;Database=d;Username=u;Password=s3cret;Maximum Pool Size=7", "unused").ConnectionString);
        Assert.Equal(("h", 1234, "d", "u", "s3cret", 7), (builder.Host, builder.Port, builder.Database, builder.Username, builder.Password, builder.MaxPoolSize));
    }

    [Theory]
    [InlineData("mysql://u:s3cret@h/d")]
    [InlineData("postgres://u:s3cret@h")]
    [InlineData("postgres://u:s3cret@h/")]
    [InlineData("postgres:///d")]
    [InlineData("postgres://u:s3cret@h:notaport/d")]
    [InlineData("postgres://u:s3cret@h/d?sslmode=s3cret")]
    [InlineData("postgres://u:s3cret@h/d?no_such_thing=s3cret")]
    [InlineData("postgres://u:s3cret@h/d?connect_timeout=s3cret")]
    [InlineData("u:s3cret@h/d")]
    [InlineData("Host=h;Password=s3cret;pw=s3cret;Database=d")]
    [InlineData("Host=h;Password=s3cret")]
    [InlineData("Database=d;Password=s3cret")]
    [InlineData("Host=h;Database=d;Port=s3cret")]
    [InlineData("/var/lib/pw.db")]
    public void A_wrong_value_is_refused_by_name_and_without_its_secrets(string value)
    {
        var error = Assert.Throws<FormatException>(() => StoreOptions.Parse(value, "unused"));
        Assert.Contains("DATABASE_URL", error.Message, StringComparison.Ordinal);
        Assert.Contains("xpected", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Options_out_of_range_are_refused()
    {
        var options = StoreOptions.Parse("Host=h;Database=d", "unused");
        Assert.Throws<ArgumentOutOfRangeException>(() => EngineStore.Create(options with { CommitLoops = 0 }, TimeProvider.System));
        Assert.Throws<ArgumentOutOfRangeException>(() => EngineStore.Create(options with { MaxCommitsPerTransaction = 0 }, TimeProvider.System));
    }
}
