namespace PwWorkflows.Activities;

/// <summary>A failure that trying again can't mend: wrong input, refused by a rule, or in need of a person.</summary>
/// <remarks>Retry policies of the workflow definitions name this type under <c>notOn</c>.</remarks>
public class NonRetryableException : Exception
{
    /// <summary>Creates the exception.</summary>
    public NonRetryableException() { }

    /// <summary>Creates the exception with a message.</summary>
    public NonRetryableException(string message) : base(message) { }

    /// <summary>Creates the exception with a message and the error from outside.</summary>
    public NonRetryableException(string message, Exception innerException) : base(message, innerException) { }
}
