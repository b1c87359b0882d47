using PwWorkflows.Server.Pages;

namespace PwWorkflows.EndToEnd.Tests.Pages;

public sealed class DefinitionChangesTests
{
    private const string Before =
        """
        { "definitionId": "d", "name": "Old name",
          "variables": [{ "id": "v1", "name": "Tries", "typeName": "Int32", "value": 3 }, { "id": "v2", "name": "Gone", "typeName": "String" }],
          "root": { "type": "Elsa.Flowchart", "version": 1, "id": "flow", "name": "Flowchart1",
            "activities": [
              { "type": "Elsa.WriteLine", "version": 1, "id": "a", "name": "WriteLine1", "metadata": { "displayText": "Say hello" }, "text": { "typeName": "String", "expression": { "type": "Literal", "value": "Hello" } } },
              { "type": "Elsa.Delay", "version": 1, "id": "b", "name": "Delay1" },
              { "type": "Elsa.While", "version": 1, "id": "c", "name": "While1", "body": { "type": "Elsa.WriteLine", "version": 1, "id": "inner", "name": "Inner", "text": "1" } }
            ],
            "connections": [{ "source": { "activity": "a", "port": "Done" }, "target": { "activity": "b", "port": "In" } }] } }
        """;

    [Fact]
    public void Nothing_is_said_about_two_that_are_the_same() => Assert.Empty(DefinitionChanges.InWords(Before, Before));

    [Fact]
    public void Every_change_is_one_sentence_that_names_what_it_was_and_is()
    {
        var after = Before.Replace("Old name", "New name", StringComparison.Ordinal)
            .Replace("\"value\": 3", "\"value\": 5", StringComparison.Ordinal)
            .Replace(""", { "id": "v2", "name": "Gone", "typeName": "String" }""", """, { "id": "v3", "name": "Added", "typeName": "String" }""", StringComparison.Ordinal)
            .Replace("\"Literal\", \"value\": \"Hello\"", "\"JavaScript\", \"value\": \"greet()\"", StringComparison.Ordinal)
            .Replace("Say hello", "Greet", StringComparison.Ordinal)
            .Replace("Elsa.Delay\", \"version\": 1, \"id\": \"b\", \"name\": \"Delay1\"", "Pw.FileForm499A\", \"version\": 1, \"id\": \"f\", \"name\": \"File\"", StringComparison.Ordinal)
            .Replace("\"activity\": \"b\"", "\"activity\": \"f\"", StringComparison.Ordinal)
            .Replace("\"text\": \"1\"", "\"text\": \"2\"", StringComparison.Ordinal);
        Assert.Equal(
            [
                "The name is “New name” instead of “Old name”.",
                "“File” is new (Pw.FileForm499A, id f).",
                "“Delay1” is gone (Elsa.Delay, id b).",
                "“Say hello” is called “Greet” now.",
                "“Greet”: text is JavaScript “greet()” instead of “Hello”.",
                "“Inner”: text is “2” instead of “1”.",
                "The way from “Greet” on Done to “File” is new.",
                "The way from “Greet” on Done to “Delay1” is gone.",
                "The variable Added is new.",
                "The variable Gone is gone.",
                "The variable Tries: value is 5 instead of 3.",
            ],
            DefinitionChanges.InWords(Before, after));
    }
}
