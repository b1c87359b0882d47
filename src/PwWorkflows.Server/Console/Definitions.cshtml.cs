using PwWorkflows.Server.Hosting;

namespace PwWorkflows.Server.Pages;

/// <summary><c>/definitions</c>: which workflows run, and which have a draft.</summary>
internal sealed class DefinitionsPage(IWorkflowAdmin workflows) : ConsolePage
{
    public IReadOnlyList<WorkflowDefinitionInfo> Definitions { get; private set; } = [];

    public async Task OnGetAsync(CancellationToken ct) => Definitions = await workflows.ListDefinitionsAsync(ct).ConfigureAwait(false);
}
