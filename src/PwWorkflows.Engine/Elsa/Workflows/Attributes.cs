using System.Runtime.CompilerServices;

namespace Elsa.Workflows.Attributes
{
    /// <summary>Describes an activity class: its type name, version and how it is shown.</summary>
    [AttributeUsage(AttributeTargets.Class)]
    public sealed class ActivityAttribute : Attribute
    {
        /// <summary>Everything by convention.</summary>
        public ActivityAttribute() { }

        /// <summary>Namespace and category.</summary>
        public ActivityAttribute(string @namespace, string? category, string? description = null)
        {
            Namespace = @namespace;
            Category = category;
            Description = description;
        }

        /// <summary>Namespace.</summary>
        public ActivityAttribute(string @namespace, string? description = null)
        {
            Namespace = @namespace;
            Description = description;
        }

        /// <summary>Namespace, type and version.</summary>
        public ActivityAttribute(string @namespace, string? type, int version = 1, string? description = null, string? category = null)
        {
            Namespace = @namespace;
            Type = type;
            Version = version;
            Description = description;
            Category = category;
        }

        /// <summary>First part of the type name.</summary>
        public string? Namespace { get; set; }
        /// <summary>Last part of the type name; the class name when null.</summary>
        public string? Type { get; set; }
        /// <summary>Version of the activity, from 1.</summary>
        public int Version { get; set; } = 1;
        /// <summary>What it does.</summary>
        public string? Description { get; set; }
        /// <summary>Shown name.</summary>
        public string? DisplayName { get; set; }
        /// <summary>Group in the picker.</summary>
        public string? Category { get; set; }
        /// <summary>Action, trigger, job or task.</summary>
        public ActivityKind Kind { get; set; }
        /// <summary>Runs in the background by default.</summary>
        public bool RunAsynchronously { get; set; }
    }

    /// <summary>Describes an input property.</summary>
    [AttributeUsage(AttributeTargets.Property)]
    public sealed class InputAttribute : Attribute
    {
        /// <summary>Name; the property name when null.</summary>
        public string? Name { get; set; }
        /// <summary>Control in the designer, see <see cref="UIHints.InputUIHints"/>.</summary>
        public string? UIHint { get; set; }
        /// <summary>Shown name.</summary>
        public string? DisplayName { get; set; }
        /// <summary>What it means.</summary>
        public string? Description { get; set; }
        /// <summary>Tab in the designer.</summary>
        public string? Category { get; set; }
        /// <summary>Fixed choices, an array of texts.</summary>
        public object? Options { get; set; }
        /// <summary>Place among the inputs.</summary>
        public float Order { get; set; }
        /// <summary>Value when not set.</summary>
        public object? DefaultValue { get; set; }
        /// <summary>Type that gives the default value.</summary>
        public Type? DefaultValueProvider { get; set; }
        /// <summary>Language offered first.</summary>
        public string? DefaultSyntax { get; set; }
        /// <summary>Languages allowed.</summary>
        public string[]? SupportedSyntaxes { get; set; }
        /// <summary>Shown, not editable.</summary>
        public bool IsReadOnly { get; set; }
        /// <summary>Shown in the designer.</summary>
        public bool IsBrowsable { get; set; } = true;
        /// <summary>Evaluated before the activity runs.</summary>
        public bool AutoEvaluate { get; set; } = true;
        /// <summary>Own evaluator.</summary>
        public Type? EvaluatorType { get; set; }
        /// <summary>Kept with the activity state.</summary>
        public bool IsSerializable { get; set; } = true;
        /// <summary>The value may be secret: it never reaches the journal or the stored state.</summary>
        public bool CanContainSecrets { get; set; }
        /// <summary>Supplies the control's options.</summary>
        public Type? UIHandler { get; set; }
        /// <summary>Supply the control's options.</summary>
        public Type[]? UIHandlers { get; set; }
    }

    /// <summary>Describes an output property, or on a class the result.</summary>
    [AttributeUsage(AttributeTargets.Property | AttributeTargets.Class)]
    public sealed class OutputAttribute : Attribute
    {
        /// <summary>Name; the property name when null.</summary>
        public string? Name { get; set; }
        /// <summary>Shown name.</summary>
        public string? DisplayName { get; set; }
        /// <summary>What it means.</summary>
        public string? Description { get; set; }
        /// <summary>Shown in the designer.</summary>
        public bool IsBrowsable { get; set; } = true;
        /// <summary>Kept with the activity's records.</summary>
        public bool IsSerializable { get; set; } = true;
    }

    /// <summary>A property that holds a child activity and is shown as a port.</summary>
    [AttributeUsage(AttributeTargets.Property)]
    public sealed class PortAttribute : Attribute
    {
        /// <summary>Named like the property.</summary>
        public PortAttribute([CallerMemberName] string? name = null) => Name = name;

        /// <summary>With a shown name.</summary>
        public PortAttribute(string name, string? displayName)
        {
            Name = name;
            DisplayName = displayName;
        }

        /// <summary>Name of the port.</summary>
        public string? Name { get; set; }
        /// <summary>Shown name.</summary>
        public string? DisplayName { get; set; }
    }

    /// <summary>Leaves a property of a stimulus out of its hash.</summary>
    [AttributeUsage(AttributeTargets.Property | AttributeTargets.Field)]
    public sealed class ExcludeFromHashAttribute : Attribute;
}

namespace Elsa.Workflows.Activities.Flowchart.Attributes
{
    /// <summary>The outcomes of an activity, shown as its ports in a flowchart.</summary>
    [AttributeUsage(AttributeTargets.Class)]
    public sealed class FlowNodeAttribute(params string[] outcomes) : Attribute
    {
        /// <summary>Names of the outcomes.</summary>
        public ICollection<string> Outcomes { get; } = outcomes;
    }
}

namespace Elsa.Workflows.UIHints
{
    /// <summary>Names of the designer's controls.</summary>
    public static class InputUIHints
    {
#pragma warning disable CS1591 // each constant is the name of the control it holds
        public const string CheckBox = "checkbox";
        public const string CheckList = "checklist";
        public const string CodeEditor = "code-editor";
        public const string DateTimePicker = "datetime-picker";
        public const string Dictionary = "dictionary";
        public const string DropDown = "dropdown";
        public const string DynamicOutcomes = "dynamic-outcomes";
        public const string ExpressionEditor = "expression-editor";
        public const string FlowSwitchEditor = "flow-switch-editor";
        public const string HttpStatusCodes = "http-status-codes";
        public const string InputPicker = "input-picker";
        public const string JsonEditor = "json-editor";
        public const string MultiLine = "multiline";
        public const string MultiText = "multitext";
        public const string OutcomePicker = "outcome-picker";
        public const string OutputPicker = "output-picker";
        public const string RadioList = "radiolist";
        public const string SingleLine = "singleline";
        public const string SwitchEditor = "switch-editor";
        public const string TypePicker = "type-picker";
        public const string VariablePicker = "variable-picker";
        public const string WorkflowDefinitionPicker = "workflow-definition-picker";
#pragma warning restore CS1591
    }
}
