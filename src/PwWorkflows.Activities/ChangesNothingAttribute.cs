namespace PwWorkflows.Activities;

/// <summary>
/// Says that an activity only reads, in the house and outside: it may be tried out by itself in the designer, where nothing that it enlists is ever committed. An activity without it
/// is never tried out, so that a forgotten one does no harm.
/// </summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ChangesNothingAttribute : Attribute;
