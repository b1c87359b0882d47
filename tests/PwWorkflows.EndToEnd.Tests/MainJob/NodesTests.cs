using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using PwWorkflows.EndToEnd.Tests.Infrastructure;
using PwWorkflows.Sandbox;
using PwWorkflows.Sandbox.ErpNext;
using PwWorkflows.Sandbox.Stripe;
using PwWorkflows.Sandbox.Usac;

namespace PwWorkflows.EndToEnd.Tests.MainJob;

/// <summary>Two server processes share one PostgreSQL and one object store; one is killed in the middle.</summary>
public sealed partial class NodesTests(PostgresFixture postgres)
{
    private const int Orders = 200;

    // Each node has orders of each customer, and both begin with all of them at once.
    private static readonly string[] Customers = ["regulatory@prairiewavetelecom.net", "billing@prairiewavetelecom.net", "owner@prairiewavetelecom.net"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_nodes_file_two_hundred_orders_once_each_although_one_is_killed_in_the_middle()
    {
        await using var scene = await Scene.StartAsync(Ct, postgres);
        await using var other = await ServerProcess.StartAsync(scene.Settings, scene.Data, Ct);
        var stripe = scene.Sandbox.System<StripeSystem>();
        string[] servers = [scene.Server.BaseUrl.ToString().TrimEnd('/'), other.BaseUrl.ToString().TrimEnd('/')];
        string[] orders = [.. Enumerable.Range(0, Orders).Select(i => string.Create(CultureInfo.InvariantCulture, $"CO-{0xA0000000 + i:X8}"))];
        for (var i = 0; i < Orders; i++)
        {
            stripe.ServerUrl = servers[i % 2];
            await scene.CheckoutAsync(new { service_slug = "fcc-499a", order_number = orders[i], entity = 1 + i % 3, email = Customers[i % Customers.Length] }, Ct);
        }

        stripe.ServerUrl = servers[0];
        // As long as it goes on, it is waited for: two hundred filings take their time on a slow machine.
        while (scene.Usac.CountFilings() < Orders / 3)
        {
            var last = scene.Usac.CountFilings();
            await Scene.UntilAsync(() => Task.FromResult(scene.Usac.CountFilings() > last), () => $"more than {last} orders are filed:\n{scene.Server.Log}", Ct);
        }

        await Scene.UntilAsync(() => Task.FromResult(Filed(other) > 0 && Filed(scene.Server) > 0), () => "both nodes have filed", Ct);
        var byTheKilled = Filed(other);
        await other.KillAsync();
        Assert.InRange(scene.Usac.CountFilings(), Orders / 3, Orders - 1);

        await using var connection = new NpgsqlConnection(scene.Database);
        await connection.OpenAsync(Ct);
        async Task<long> CompletedAsync() => await CountAsync(connection, "SELECT count(*) FROM compliance_orders WHERE fulfillment_status = 'completed'");
        var done = await CompletedAsync();
        while (done < Orders)
        {
            var last = done;
            await Scene.UntilAsync(async () => (done = await CompletedAsync()) > last, () => $"more than {last} orders are completed:\n{scene.Server.Log}", Ct);
        }

        Assert.Equal(Orders, done);
        Assert.Equal(Orders, scene.Usac.CountFilings());
        Assert.All(orders, o => Assert.Equal(1, scene.Usac.CountFilings(o)));
        Assert.Equal(Orders, await CountAsync(connection, "SELECT count(*) FROM filings"));
        Assert.Equal(Orders, await CountAsync(connection, "SELECT count(*) FROM workflow_instances WHERE definition_id = 'service-fcc-499a' AND status = 'Finished'"));
        Assert.Equal(0, await CountAsync(connection, "SELECT count(*) FROM workflow_instances WHERE status <> 'Finished'"));
        var customers = Site.DocTypes["Customer"];
        Assert.All(Customers, email => Assert.Equal(1, scene.Erp.Db.Count(customers, ListQuery.Parse(customers, argument => argument == "filters" ? $$"""{"email_id":"{{email}}"}""" : null))));
        Assert.InRange(byTheKilled, 1, Orders - 1);
        Assert.InRange(Filed(scene.Server), 1, Orders - 1);
        await scene.VerifyEvidenceAsync(Ct);
    }

    private static int Filed(ServerProcess server) => FiledLine().Count(server.Log);

    private static async Task<long> CountAsync(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync(Ct))!;
    }

    [GeneratedRegex(@"\[usac\] Filed: ")]
    private static partial Regex FiledLine();
}
