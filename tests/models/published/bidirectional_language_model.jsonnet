// The keys and values of AllenNLP 2.x's config of a transformer ELMo on the One Billion Word Benchmark.
local NUM_GPUS = 2;
local NUM_THREADS = 1;

local BASE_READER = {
  "type": "simple_language_modeling",
  "tokenizer": {
    "type": "just_spaces"
  },
  "token_indexers": {
    "tokens": {
      "type": "single_id"
    },
    "token_characters": {
      "type": "elmo_characters"
    }
  },
  "max_sequence_length": 400,
  "start_tokens": ["<S>"],
  "end_tokens": ["</S>"],
};

local BASE_LOADER = {
  "batch_sampler": {
    "type": "bucket",
    "batch_size": 512,
    "sorting_keys": ["source"],
    "max_instances_in_memory": 163840
  }
};

{
  "dataset_reader": if NUM_GPUS > 1 then { "type": "sharded", "base_reader": BASE_READER } else BASE_READER,
  "train_data_path": std.extVar("BIDIRECTIONAL_LM_TRAIN_PATH"),
  "vocabulary": {
    "type": "from_files",
    "directory": std.extVar("BIDIRECTIONAL_LM_VOCAB_PATH"),
  },
  "model": {
    "type": "language_model",
    "bidirectional": true,
    "num_samples": 8192,
    "sparse_embeddings": false,
    "text_field_embedder": {
      "token_embedders": {
        "tokens": {
          "type": "empty"
        },
        "token_characters": {
          "type": "character_encoding",
          "embedding": {
            "num_embeddings": 262,
            "embedding_dim": 16
          },
          "encoder": {
            "type": "cnn-highway",
            "activation": "relu",
            "embedding_dim": 16,
            "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
            "num_highway": 2,
            "projection_dim": 512,
            "projection_location": "after_highway",
            "do_layer_norm": true
          }
        }
      }
    },
    "dropout": 0.1,
    "contextualizer": {
      "type": "bidirectional_language_model_transformer",
      "input_dim": 512,
      "hidden_dim": 2048,
      "num_layers": 6,
      "dropout": 0.1,
      "input_dropout": 0.1
    }
  },
  "data_loader": BASE_LOADER,
  "distributed": {
    "cuda_devices": std.range(0, NUM_GPUS - 1),
  },
  "trainer": {
    "num_epochs": 10,
    "optimizer": {
      "type": "dense_sparse_adam"
    },
    "learning_rate_scheduler": {
      "type": "noam",
      "model_size": 512,
      "warmup_steps": 6000
    }
  }
}
