using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Records;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Server.Hosting;

namespace PwWorkflows.EndToEnd.Tests.Server;

public sealed class AuditLogTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    private async Task<Microsoft.AspNetCore.Builder.WebApplication> HostAsync()
    {
        var app = ServerHost.Build(new HostSettings(Path.Combine(AppContext.BaseDirectory, "env.sandbox"), _folder.FullPath, "http://127.0.0.1:0", QuietLogs: true));
        await ServerHost.PrepareAsync(app, Ct);
        return app;
    }

    [Fact]
    public async Task Writers_at_once_make_one_unbroken_chain()
    {
        await using var app = await HostAsync();
        var audit = app.Services.GetRequiredService<AuditLog>();
        await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(() => audit.WriteAsync("user" + i, "test", "subject", new JsonObject { ["i"] = i }, Ct), Ct)));
        Assert.Equal(Enumerable.Range(1, 20).Select(i => (long)i), (await audit.LatestAsync(100, Ct)).Select(e => e.Id).Order());
        Assert.Null(await audit.FindFaultAsync(Ct));
    }

    [Theory]
    [InlineData("UPDATE audit_log SET actor = 'mallory' WHERE id = 2", "Entry 2 was changed.")]
    [InlineData("UPDATE audit_log SET at = '2020-01-01 00:00:00+00:00' WHERE id = 3", "Entry 3 was changed.")]
    [InlineData("DELETE FROM audit_log WHERE id = 2", "Entry 2 is missing.")]
    [InlineData("DELETE FROM audit_log WHERE id = 1", "Entry 1 is missing.")]
    public async Task A_changed_or_missing_entry_shows(string tampering, string fault)
    {
        await using var app = await HostAsync();
        var audit = app.Services.GetRequiredService<AuditLog>();
        for (var i = 0; i < 4; i++) await audit.WriteAsync("admin", "test", "subject", null, Ct);
        Assert.Null(await audit.FindFaultAsync(Ct));
        Assert.Equal(1, await app.Services.GetRequiredService<IPwDatabase>().ExecuteAsync(tampering, Parameters.None, Ct));
        Assert.Equal(fault, await audit.FindFaultAsync(Ct));
    }
}
