using Elsa.Workflows;
using Elsa.Workflows.Activities;
using PwWorkflows.Engine.Execution;
using PwWorkflows.Engine.Tests.Api.Samples;
using PwWorkflows.Engine.Tests.Execution;

namespace PwWorkflows.Engine.Tests.Api;

public sealed class SampleTests
{
    [Fact]
    public void Class_is_described_by_its_attributes()
    {
        var d = ActivityClass.Of(typeof(CheckStock)).Descriptor;
        Assert.Equal(("Acme.CheckStock", "Stock", "Check stock", "Looks up the stock of an article.", ActivityKind.Task), (d.TypeName, d.Category, d.DisplayName, d.Description, d.Kind));
        Assert.Equal(["In stock", "Sold out"], d.Ports.Select(p => p.Name));
        Assert.Equal(["Sku:String:singleline", "Site:String:singleline", "Level:Level:dropdown", "Lazy:Int32:singleline"], d.Inputs.OrderBy(i => i.Name == "Sku" ? 0 : 1).Select(i => $"{i.Name}:{i.Type.Name}:{i.UIHint}"));
        Assert.Equal(["Result:What is left", "Where:Shelf"], d.Outputs.Select(o => $"{o.Name}:{o.Description}").Order());
    }

    [Fact]
    public void Private_json_constructor_is_found_and_gives_type_and_version()
    {
        var activity = ActivityClass.Of(typeof(Everything)).Create();
        Assert.Equal(("Acme.Everything", 2), (activity.Type, activity.Version));
        Assert.False(ActivityClass.Of(typeof(Everything)).Descriptor.IsBrowsable);
        Assert.Equal("Elsa.WriteLine", ActivityClass.Of(typeof(WriteLine)).Create().Type);
    }

    [Fact]
    public async Task Class_workflow_builds_with_its_variables_inputs_and_outputs()
    {
        var workflow = await new WorkflowBuilder().BuildWorkflowAsync(new HelloWorkflow(), TestContext.Current.CancellationToken);
        Assert.Equal(("hello", "hello:1", 1), (workflow.DefinitionId, workflow.VersionId, workflow.DefinitionVersion));
        Assert.Equal(["Count", "Text", "Other", "A", "B", "C", "D"], workflow.Variables.Select(v => v.Name));
        Assert.Equal(["OrderId", "Amount"], workflow.Inputs.Select(i => i.Name));
        Assert.Equal("Total", Assert.Single(workflow.Outputs).Name);
        var sum = await new WorkflowBuilder().BuildWorkflowAsync(new SumWorkflow(), TestContext.Current.CancellationToken);
        Assert.Equal("SumWorkflow", sum.DefinitionId);
    }

    [Fact]
    public async Task Class_workflow_runs()
    {
        var workflow = await new WorkflowBuilder().BuildWorkflowAsync(new SumWorkflow(), TestContext.Current.CancellationToken);
        var w = await new InMemoryWorkflow(workflow).StartAsync();
        Assert.Equal("Finished/Finished", w.Status);
        Assert.Contains("\"Result\":42", w.State, StringComparison.Ordinal);
    }
}
