using Elsa.Workflows.Attributes;

namespace Elsa.Workflows.Runtime.Stimuli
{
    /// <summary>What an <see cref="Activities.Event"/> waits for.</summary>
    public sealed record EventStimulus(string EventName);

    /// <summary>What a <see cref="Activities.RunTask"/> waits for: the end of its task.</summary>
    public sealed record RunTaskStimulus(string TaskId, [property: ExcludeFromHash] string TaskName);
}

namespace Elsa.Workflows.Runtime.Activities
{
    /// <summary>What a workflow waits for that waits for another: the end of that instance.</summary>
    public sealed record WorkflowFinishedStimulus(string WorkflowInstanceId);
}
