using System.Reflection;

namespace PwWorkflows.Engine.Execution;

/// <summary>
/// Reads and writes one property of activities. Reflection compiles a method for each accessor that is called twice, some four hundred in a server that loads our own
/// definitions; these delegates share the code that is compiled ahead.
/// </summary>
internal abstract class PropertyAccess
{
    /// <summary>The property's value.</summary>
    public abstract object? Get(object owner);

    /// <summary>Gives the property a value of its type.</summary>
    /// <exception cref="InvalidCastException">The value is of another type.</exception>
    /// <exception cref="ArgumentException">The property has no setter, or is of a value type and the value of another.</exception>
    public abstract void Set(object owner, object? value);

    /// <summary>The access to a property of a class.</summary>
    public static PropertyAccess Of(PropertyInfo property)
    {
        // Code for a value type is shared with no other: reflection serves as well.
        if (property.PropertyType.IsValueType || property.DeclaringType is not { IsValueType: false, IsInterface: false }) return new Reflected(property);
        // No property is declared by object: naming these types is what has the code that all others share compiled ahead.
        var access = property.DeclaringType == typeof(object) ? new Shared<object, object>() : (Shared)Activator.CreateInstance(typeof(Shared<,>).MakeGenericType(property.DeclaringType, property.PropertyType))!;
        access.Bind(property);
        return access;
    }

    private sealed class Reflected(PropertyInfo property) : PropertyAccess
    {
        public override object? Get(object owner) => property.GetValue(owner);

        public override void Set(object owner, object? value) => property.SetValue(owner, value);
    }

    private abstract class Shared : PropertyAccess
    {
        public abstract void Bind(PropertyInfo property);
    }

    private sealed class Shared<TOwner, TValue> : Shared where TOwner : class where TValue : class
    {
        private Func<TOwner, TValue?> _get = null!;
        private Action<TOwner, TValue?>? _set;

        public override void Bind(PropertyInfo property)
        {
            _get = property.GetMethod!.CreateDelegate<Func<TOwner, TValue?>>();
            _set = property.SetMethod?.CreateDelegate<Action<TOwner, TValue?>>();
        }

        public override object? Get(object owner) => _get((TOwner)owner);

        public override void Set(object owner, object? value)
        {
            if (_set is null) throw new ArgumentException("The property can't be set.", nameof(owner));
            _set((TOwner)owner, (TValue?)value);
        }
    }
}
