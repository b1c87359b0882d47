using System.Collections;
using System.Collections.Concurrent;
using System.ComponentModel;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text;
using Elsa.Workflows;
using Elsa.Workflows.Activities;
using Elsa.Workflows.Activities.Flowchart.Attributes;
using Elsa.Workflows.Attributes;
using Elsa.Workflows.Memory;
using Elsa.Workflows.Models;

namespace PwWorkflows.Engine.Execution;

/// <summary>What the engine knows of an activity's CLR class: read once by reflection, used through delegates.</summary>
public sealed class ActivityClass
{
    private static readonly ConcurrentDictionary<Type, ActivityClass> Cache = new();
    private readonly ConcurrentDictionary<string, MethodInfo?> _methods = new();
    private Func<IActivity>? _create;

    private ActivityClass(Type type)
    {
        ClrType = type;
        var attribute = type.GetCustomAttribute<ActivityAttribute>(inherit: false);
        var ns = attribute?.Namespace ?? type.Namespace ?? "";
        var name = attribute?.Type ?? GenericName(type);
        TypeName = $"{ns}.{name}";
        Version = attribute?.Version ?? 1;
        var inputs = new List<InputProperty>();
        var outputs = new List<OutputProperty>();
        var ports = new List<PortProperty>();
        foreach (var p in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (p.GetIndexParameters().Length > 0 || p.GetMethod is null) continue;
            if (typeof(Input).IsAssignableFrom(p.PropertyType) || p.GetCustomAttribute<InputAttribute>() is not null) inputs.Add(new InputProperty(p));
            else if (typeof(Output).IsAssignableFrom(p.PropertyType))
            {
                if (!outputs.Exists(o => o.Property.Name == p.Name)) outputs.Add(new OutputProperty(p, type));
            }
            else if (typeof(IActivity).IsAssignableFrom(p.PropertyType)) ports.Add(new PortProperty(p));
            else if (typeof(IEnumerable<IActivity>).IsAssignableFrom(p.PropertyType)) ChildCollections.Add(PropertyAccess.Of(p));
        }
        Inputs = [.. inputs];
        Outputs = [.. outputs];
        Ports = [.. ports];
        Descriptor = Describe(type, attribute, ns, name);
    }

    /// <summary>Class of the activity.</summary>
    public Type ClrType { get; }
    /// <summary>Full type name in definitions.</summary>
    public string TypeName { get; }
    /// <summary>Version of the type.</summary>
    public int Version { get; }
    /// <summary>Inputs, in declaration order.</summary>
    public InputProperty[] Inputs { get; }
    /// <summary>Outputs.</summary>
    public OutputProperty[] Outputs { get; }
    /// <summary>Properties that hold one child.</summary>
    public PortProperty[] Ports { get; }
    /// <summary>Properties that hold children.</summary>
    internal List<PropertyAccess> ChildCollections { get; } = [];
    /// <summary>Description for the designer.</summary>
    public ActivityDescriptor Descriptor { get; }

    /// <summary>The class's description, cached.</summary>
    public static ActivityClass Of(Type type) => Cache.GetOrAdd(type, t => new ActivityClass(t));

    /// <summary>An instance method by name, private ones of base classes too. Callbacks are stored by name and bound again with this.</summary>
    internal MethodInfo? Method(string name) => _methods.GetOrAdd(name, n =>
    {
        for (var t = ClrType; t is not null; t = t.BaseType)
            if (t.GetMethod(n, BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly) is { } m)
                return m;
        return null;
    });

    /// <summary>Makes an activity; any constructor whose parameters are all optional will do, private ones too.</summary>
    public IActivity Create() => (_create ??= FindCreate())();

    private Func<IActivity> FindCreate()
    {
        var constructor = ClrType.GetConstructors(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic)
            .Where(c => c.GetParameters().All(p => p.HasDefaultValue || p.GetCustomAttribute<ParamArrayAttribute>() is not null))
            .OrderBy(c => c.GetCustomAttribute<System.Text.Json.Serialization.JsonConstructorAttribute>() is null)
            .ThenBy(c => c.GetParameters().Length)
            .FirstOrDefault() ?? throw new InvalidOperationException($"{ClrType} needs a constructor that can be called without arguments.");
        if (constructor.GetParameters() is not { Length: > 0 } parameters) return () => (IActivity)Activator.CreateInstance(ClrType, nonPublic: true)!;
        object?[] arguments = [.. parameters.Select(p => p.ParameterType == typeof(int?) || p.ParameterType == typeof(string) ? null : p.HasDefaultValue ? p.DefaultValue : Array.CreateInstance(p.ParameterType.GetElementType()!, 0))];
        return () => (IActivity)constructor.Invoke(arguments);
    }

    private static string GenericName(Type type) => !type.IsGenericType ? type.Name
        : $"{type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]}<{string.Join(",", type.GetGenericArguments().Select(a => a.Name))}>";

    private ActivityDescriptor Describe(Type type, ActivityAttribute? attribute, string ns, string name) => new()
    {
        TypeName = TypeName,
        ClrType = type,
        Namespace = ns,
        Name = name,
        Version = Version,
        Category = type.GetCustomAttribute<CategoryAttribute>()?.Category ?? attribute?.Category ?? (ns.Split('.')[^1] is { Length: > 0 } last ? last : "Miscellaneous"),
        DisplayName = type.GetCustomAttribute<DisplayNameAttribute>()?.DisplayName ?? attribute?.DisplayName ?? Humanize(name),
        Description = type.GetCustomAttribute<DescriptionAttribute>()?.Description ?? attribute?.Description,
        Kind = typeof(ITrigger).IsAssignableFrom(type) ? ActivityKind.Trigger : attribute?.Kind ?? ActivityKind.Action,
        IsContainer = typeof(Elsa.Workflows.Activities.Container).IsAssignableFrom(type),
        IsBrowsable = type.GetCustomAttribute<BrowsableAttribute>()?.Browsable ?? true,
        IsStart = typeof(IStartNode).IsAssignableFrom(type),
        IsTerminal = typeof(ITerminalNode).IsAssignableFrom(type),
        Inputs = [.. Inputs.Select(i => i.Descriptor)],
        Outputs = [.. Outputs.Select(o => o.Descriptor)],
        Ports = [.. (type.GetCustomAttribute<FlowNodeAttribute>()?.Outcomes ?? []).Select(o => new Port { Name = o, DisplayName = o, Type = PortType.Flow }),
            .. Ports.Select(p => new Port { Name = p.PortName, DisplayName = p.DisplayName, Type = PortType.Embedded, IsBrowsable = p.IsBrowsable })],
    };

    // Short words inside a title stay small, as Elsa's titles have it.
    private static readonly HashSet<string> SmallWords = new(["A", "An", "And", "As", "At", "But", "By", "For", "From", "If", "In", "Into", "Of", "On", "Or", "The", "To", "With"], StringComparer.Ordinal);

    /// <summary>"SalesOrder" becomes "Sales Order".</summary>
    internal static string Humanize(string name)
    {
        var words = new List<StringBuilder>();
        for (var i = 0; i < name.Length; i++)
        {
            var c = name[i];
            var begins = i == 0 || char.IsUpper(c) && (!char.IsUpper(name[i - 1]) || i + 1 < name.Length && char.IsLower(name[i + 1]));
            if (begins) words.Add(new StringBuilder());
            words[^1].Append(c);
        }
        var texts = words.Select(w => w.ToString()).ToArray();
        for (var i = 1; i < texts.Length - 1; i++)
            if (SmallWords.Contains(texts[i])) texts[i] = texts[i].ToLowerInvariant();
        return string.Join(' ', texts);
    }

    /// <summary>"SalesOrder" becomes "sales-order".</summary>
    internal static string Kebab(string name)
    {
        var text = new StringBuilder(name.Length + 8);
        for (var i = 0; i < name.Length; i++)
        {
            if (i > 0 && char.IsUpper(name[i]) && !char.IsUpper(name[i - 1])) text.Append('-');
            text.Append(char.ToLowerInvariant(name[i]));
        }
        return text.ToString();
    }

    /// <summary>"SalesOrder" becomes "salesOrder".</summary>
    internal static string Camel(string name) => name.Length == 0 ? name : char.ToLowerInvariant(name[0]) + name[1..];
}

/// <summary>An input property of an activity class.</summary>
public sealed class InputProperty
{
    private StrongBox<bool>? _isRequired;

    internal InputProperty(PropertyInfo property)
    {
        Property = property;
        Access = PropertyAccess.Of(property);
        var attribute = property.GetCustomAttribute<InputAttribute>();
        IsWrapped = typeof(Input).IsAssignableFrom(property.PropertyType);
        var type = IsWrapped && property.PropertyType.IsGenericType ? property.PropertyType.GetGenericArguments()[0] : property.PropertyType;
        ValueType = Nullable.GetUnderlyingType(type) ?? type;
        FullType = type;
        Name = attribute?.Name ?? property.Name;
        JsonName = ActivityClass.Camel(property.Name);
        AutoEvaluate = attribute?.AutoEvaluate ?? true;
        IsSerializable = attribute?.IsSerializable ?? true;
        IsSecret = attribute?.CanContainSecrets ?? false;
        Descriptor = new InputDescriptor
        {
            Name = Name,
            Type = ValueType,
            DisplayName = attribute?.DisplayName ?? property.GetCustomAttribute<DisplayNameAttribute>()?.DisplayName ?? ActivityClass.Humanize(Name),
            Description = attribute?.Description ?? property.GetCustomAttribute<DescriptionAttribute>()?.Description,
            Order = attribute?.Order ?? 0,
            IsWrapped = IsWrapped,
            UIHint = attribute?.UIHint ?? DefaultHint(ValueType),
            Category = attribute?.Category,
            DefaultValue = attribute?.DefaultValue,
            DefaultSyntax = attribute?.DefaultSyntax,
            IsReadOnly = attribute?.IsReadOnly,
            IsBrowsable = attribute?.IsBrowsable ?? property.GetCustomAttribute<BrowsableAttribute>()?.Browsable ?? true,
            IsSerializable = IsSerializable,
            IsSensitive = IsSecret,
            AutoEvaluate = AutoEvaluate,
        };
    }

    /// <summary>The property.</summary>
    public PropertyInfo Property { get; }
    internal PropertyAccess Access { get; }
    /// <summary>Name of the input.</summary>
    public string Name { get; }
    /// <summary>Name in definition JSON.</summary>
    public string JsonName { get; }
    /// <summary>Type of the value without Nullable.</summary>
    public Type ValueType { get; }
    /// <summary>Type of the value as declared.</summary>
    public Type FullType { get; }
    /// <summary>It takes expressions.</summary>
    public bool IsWrapped { get; }
    /// <summary>Evaluated before the activity runs.</summary>
    public bool AutoEvaluate { get; }
    /// <summary>Kept with the state.</summary>
    public bool IsSerializable { get; }
    /// <summary>May hold a secret.</summary>
    public bool IsSecret { get; }
    /// <summary>A definition must set it: it is marked as required, or, outside of Elsa's own activities, its type admits no null and the class gives it no value.</summary>
    public bool IsRequired => (_isRequired ??= new StrongBox<bool>(FindRequired())).Value;
    /// <summary>Description for the designer.</summary>
    public InputDescriptor Descriptor { get; }

    private bool FindRequired()
    {
        if (Property.GetCustomAttribute<System.ComponentModel.DataAnnotations.RequiredAttribute>() is not null || Property.GetCustomAttribute<RequiredMemberAttribute>() is not null) return true;
        if (!IsWrapped || !Property.PropertyType.IsGenericType || Property.DeclaringType!.Namespace!.StartsWith("Elsa.", StringComparison.Ordinal)) return false;
        var nullability = new NullabilityInfoContext().Create(Property);
        return nullability.ReadState == NullabilityState.NotNull && nullability.GenericTypeArguments[0].ReadState == NullabilityState.NotNull
            && Access.Get(ActivityClass.Of(Property.ReflectedType!).Create()) is null;
    }

    private static string DefaultHint(Type type) =>
        type == typeof(bool) ? "checkbox" : type == typeof(string) ? "singleline" : type == typeof(Variable) ? "variable-picker" : type == typeof(Type) ? "type-picker"
        : type.IsEnum || typeof(IEnumerable).IsAssignableFrom(type) ? "dropdown" : type == typeof(InputDefinition) ? "input-picker" : "singleline";
}

/// <summary>An output property of an activity class.</summary>
public sealed class OutputProperty
{
    internal OutputProperty(PropertyInfo property, Type owner)
    {
        Property = property;
        Access = PropertyAccess.Of(property);
        var attribute = property.GetCustomAttribute<OutputAttribute>() ?? (property.Name == "Result" ? owner.GetCustomAttribute<OutputAttribute>() : null);
        Name = attribute?.Name ?? property.Name;
        JsonName = ActivityClass.Camel(property.Name);
        ValueType = property.PropertyType.IsGenericType ? property.PropertyType.GetGenericArguments()[0] : typeof(object);
        Descriptor = new OutputDescriptor
        {
            Name = Name,
            DisplayName = attribute?.DisplayName ?? ActivityClass.Humanize(Name),
            Description = attribute?.Description,
            Type = ValueType,
            IsBrowsable = attribute?.IsBrowsable ?? true,
            IsSerializable = attribute?.IsSerializable ?? true,
        };
    }

    /// <summary>The property.</summary>
    public PropertyInfo Property { get; }
    internal PropertyAccess Access { get; }
    /// <summary>Name of the output.</summary>
    public string Name { get; }
    /// <summary>Name in definition JSON.</summary>
    public string JsonName { get; }
    /// <summary>Type of the value.</summary>
    public Type ValueType { get; }
    /// <summary>Description for the designer.</summary>
    public OutputDescriptor Descriptor { get; }
}

/// <summary>A property that holds a child activity.</summary>
public sealed class PortProperty
{
    internal PortProperty(PropertyInfo property)
    {
        Property = property;
        Access = PropertyAccess.Of(property);
        var attribute = property.GetCustomAttribute<PortAttribute>();
        PortName = attribute?.Name ?? property.Name;
        DisplayName = attribute?.DisplayName ?? PortName;
        IsBrowsable = attribute is not null;
        JsonName = ActivityClass.Camel(property.Name);
    }

    /// <summary>The property.</summary>
    public PropertyInfo Property { get; }
    internal PropertyAccess Access { get; }
    /// <summary>Name of the port.</summary>
    public string PortName { get; }
    /// <summary>Shown name.</summary>
    public string DisplayName { get; }
    /// <summary>Shown.</summary>
    public bool IsBrowsable { get; }
    /// <summary>Name in definition JSON.</summary>
    public string JsonName { get; }
}

/// <summary>Ids as Elsa makes them: 16 hex digits for parts of a run; time-ordered ones for rows.</summary>
public static class Ids
{
    /// <summary>16 random hex digits.</summary>
    public static string Part() => Random.Shared.NextInt64().ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>32 hex digits, ordered by time (UUIDv7), so that rows are inserted at the end of the index.</summary>
    public static string Row(DateTimeOffset now) => Guid.CreateVersion7(now).ToString("N");
}
