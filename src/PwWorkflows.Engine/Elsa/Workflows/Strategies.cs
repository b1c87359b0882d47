using System.Collections;
using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Elsa.Workflows.Attributes;

namespace Elsa.Workflows.IncidentStrategies
{
    /// <summary>A fault ends the workflow as faulted. What was already scheduled still runs.</summary>
    public sealed class FaultStrategy : IIncidentStrategy
    {
        /// <inheritdoc />
        public void HandleIncident(ActivityExecutionContext context) => context.WorkflowExecutionContext.PendingFault = context.WorkflowExecutionContext.IncidentList[^1];
    }

    /// <summary>A fault stops its branch; other branches go on.</summary>
    public sealed class ContinueWithIncidentsStrategy : IIncidentStrategy
    {
        /// <inheritdoc />
        public void HandleIncident(ActivityExecutionContext context) { }
    }
}

namespace Elsa.Workflows.ActivationValidators
{
    /// <summary>Any number of instances.</summary>
    public sealed class AllowAlwaysStrategy;
    /// <summary>One living instance per definition.</summary>
    public sealed class SingletonStrategy;
    /// <summary>One living instance per definition and correlation id.</summary>
    public sealed class CorrelatedSingletonStrategy;
    /// <summary>One living instance per correlation id.</summary>
    public sealed class CorrelationStrategy;
}

namespace Elsa.Workflows
{
    /// <summary>SHA-256 of name, payload and activity instance joined with '|'. Payloads are written with their CLR names, nulls and <see cref="ExcludeFromHashAttribute"/> members left out.</summary>
    public sealed class StimulusHasher : IStimulusHasher
    {
        private static readonly JsonSerializerOptions Options = new()
        {
            DefaultIgnoreCondition = System.Text.Json.Serialization.JsonIgnoreCondition.WhenWritingNull,
            IncludeFields = true,
            TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { LeaveOut } },
            Converters = { new TypeAliasConverter() },
        };

        /// <inheritdoc />
        public string Hash(string stimulusName, object? payload = null, string? activityInstanceId = null)
        {
            var text = new StringBuilder(stimulusName);
            var data = payload switch { null => null, string s => s, _ => JsonSerializer.Serialize(payload, payload.GetType(), Options) };
            if (!string.IsNullOrEmpty(data)) text.Append('|').Append(data);
            if (!string.IsNullOrEmpty(activityInstanceId)) text.Append('|').Append(activityInstanceId);
            return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
        }

        private static void LeaveOut(JsonTypeInfo info)
        {
            if (info.Kind != JsonTypeInfoKind.Object) return;
            for (var i = info.Properties.Count - 1; i >= 0; i--)
                if (info.Properties[i].AttributeProvider?.IsDefined(typeof(ExcludeFromHashAttribute), true) == true)
                    info.Properties.RemoveAt(i);
        }

        private sealed class TypeAliasConverter : System.Text.Json.Serialization.JsonConverter<Type>
        {
            public override Type Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => throw new NotSupportedException("Hashes are only written.");
            public override void Write(Utf8JsonWriter writer, Type value, JsonSerializerOptions options) => writer.WriteStringValue(PwWorkflows.Engine.Definitions.TypeAliases.NameOf(value));
        }
    }
}
