using Microsoft.Extensions.DependencyInjection;
using PwWorkflows.Activities.ErpNext;
using PwWorkflows.Activities.Notifications;
using PwWorkflows.Activities.Tests.Jobs;
using PwWorkflows.Sandbox.Core;

namespace PwWorkflows.Activities.Tests.Notifications;

/// <summary>The administrators' ToDos and their copies in ERPNext.</summary>
public sealed class AdminToDoTests() : JobTests(null)
{
    protected override void Register(IServiceCollection services) { }

    private AdminToDos ToDos => Get<AdminToDos>();

    private Task RaiseAsync(string subject) => ToDos.RaiseAsync(new ToDoRequest("pw-renewal-worker", subject, "certification-expired", $"The {subject} ended."), Ct);

    [Fact]
    public async Task Subjects_that_begin_alike_have_a_ToDo_each()
    {
        await RaiseAsync("certification 51");
        await RaiseAsync("certification 5");
        await RaiseAsync("certification 5");
        Assert.Equal("2", await ValueAsync("SELECT COUNT(DISTINCT erpnext_name) FROM admin_todos"));
        var other = (await ValueAsync("SELECT erpnext_name FROM admin_todos WHERE order_number = 'certification 51'"))!;
        await ToDos.CloseAsync("certification 5", "certification-expired", Ct);
        Assert.Equal("Open", ErpNextClient.Text((await Get<ErpNextClient>().GetDocumentAsync("ToDo", other, Ct))!, "status"));
        Assert.Equal(["certification 51 certification-expired"], await ToDosAsync());
    }

    [Fact]
    public async Task One_that_ERPNext_has_is_adopted_and_not_made_again()
    {
        await RaiseAsync("certification 5");
        var name = await ValueAsync("SELECT erpnext_name FROM admin_todos");
        await SqlAsync("DELETE FROM admin_todos");
        await SqlAsync("DELETE FROM effects");
        await RaiseAsync("certification 5");
        Assert.Equal(name, await ValueAsync("SELECT erpnext_name FROM admin_todos"));
    }

    [Fact]
    public async Task What_ERPNext_refuses_holds_up_nothing_new()
    {
        var erp = Sandbox.System<PwWorkflows.Sandbox.ErpNext.ErpNextSystem>();
        erp.Faults.Add(new Fault { Kind = FaultKinds.Status, Status = 503 });
        await RaiseAsync("certification 1");
        await SqlAsync("INSERT INTO admin_todos (order_number, service_slug, marker, instructions, status, created_at, last_error) WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 120) SELECT 'certification ' || i, service_slug, marker, instructions, status, created_at, last_error FROM admin_todos, n");
        await RaiseAsync("certification 500");
        await SqlAsync("UPDATE admin_todos SET last_error = NULL WHERE order_number = 'certification 500'");
        erp.Faults.Clear();
        await ToDos.FlushAsync(Ct);
        Assert.NotNull(await ValueAsync("SELECT erpnext_name FROM admin_todos WHERE order_number = 'certification 500'"));
    }
}
